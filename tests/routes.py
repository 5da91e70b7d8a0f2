"""Every URL of the platform, found by walking what serves it: pages, console, API, sockets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import urlencode

import orjson
from django.core.files.base import File
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import URLResolver, get_resolver

from llmplatform.api import api
from llmplatform.routing import websocket_urlpatterns

PARAMETER = re.compile(r"<(?:(?P<type>\w+):)?(?P<name>\w+)>")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Reviewed: what answers without a sign-in. Everything else must refuse.
PUBLIC = {
    "healthz",
    "readyz",
    "language/",
    "theme/",
    "accounts/login/",
    "accounts/register/",
    "api/v1/auth/login",
    "api/v1/auth/register",
    "api/v1/auth/refresh",  # speaks for the refresh cookie, which it checks
    "api/v1/auth/logout",
    "api/v1/dify/retrieval",  # refuses in Dify's own words: knowledge/tests/test_api.py
}
ABSENT = {404, 405}
# Anything that fits a converter, for requests that are refused before a row is looked up.
FILLERS = {
    "int": "1",
    "slug": "x",
    "str": "x",
    "path": "1",
    "uuidstr": "6f1a3c1e-3f0a-4a54-9a55-0d6c9e9a3a10",
    "uuid": "6f1a3c1e-3f0a-4a54-9a55-0d6c9e9a3a10",
}


@dataclass(frozen=True)
class Route:
    """`template` is the route as the urlconf has it, from the root, parameters in `<…>`."""

    template: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(found["name"] for found in PARAMETER.finditer(self.template))

    @property
    def is_api(self) -> bool:
        return self.template.startswith("api/")

    @property
    def is_console(self) -> bool:
        return self.template.startswith("admin/")

    def url(self, **values: object) -> str:
        """The path with `values`; a parameter without one gets something that fits its type."""

        def fill(found: re.Match[str]) -> str:
            return str(values.get(found["name"], FILLERS[found["type"] or "int"]))

        path = PARAMETER.sub(fill, self.template)
        return path if path.startswith("/") else f"/{path}"


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for pattern in resolver.url_patterns:
        template = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, template)
        else:
            yield template


def _plain(template: str) -> str:
    """Regular expressions (the console has two) as something that can be requested."""
    template = template.replace("(?P<url>.*)", "<path:url>")
    template = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<slug:\1>", template)
    return template.replace("^", "").replace("$", "")


def http_routes() -> list[Route]:
    """Pages, console and API, each once, in the urlconf's order."""
    return [Route(name) for name in dict.fromkeys(map(_plain, _walk(get_resolver())))]


def socket_routes() -> list[Route]:
    return [Route(str(pattern.pattern)) for pattern in websocket_urlpatterns]


def name_of(route: Route) -> str:
    return route.template or "home"


def send(client: Client, method: str, url: str, body: object = None) -> Any:
    if isinstance(body, dict) and isinstance(body.get("file"), File):
        body["file"].seek(0)
        content = encode_multipart(BOUNDARY, body)
        return client.generic(method, url, content, content_type=MULTIPART_CONTENT)
    if url.startswith("/api/") and body is not None:
        return client.generic(method, url, orjson.dumps(body), content_type="application/json")
    if isinstance(body, dict) and body:
        form = "application/x-www-form-urlencoded"
        return client.generic(method, url, urlencode(body), content_type=form)
    return client.generic(method, url)


def leads_to_sign_in(response: Any) -> bool:
    target = response.headers.get("Location", "").split("?")[0]
    return response.status_code == 302 and target in ("/accounts/login/", "/admin/login/")


def text_of(response: Any) -> str:
    """The body; of a stream its first thousand pieces."""
    pieces = islice(response, 1000) if response.streaming else [response.content]
    return b"".join(pieces).decode()


@cache
def _schema() -> dict[str, Any]:
    """Made once: it takes a second."""
    return dict(api.get_openapi_schema())


def body_of(route: Route, method: str) -> dict[str, Any] | None:
    """The smallest valid JSON body of an API operation, from its schema; None if it takes none."""
    path = "/" + PARAMETER.sub(lambda found: f"{{{found['name']}}}", route.template)
    schema = _schema()
    operation = schema["paths"].get(path, {}).get(method.lower(), {})
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" not in content:
        return None
    found = _sample(content["application/json"]["schema"], schema["components"]["schemas"])
    assert isinstance(found, dict)
    return found


def _sample(schema: dict[str, Any], known: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _sample(known[schema["$ref"].rsplit("/", 1)[-1]], known)
    if "anyOf" in schema or "allOf" in schema:
        return _sample((schema.get("anyOf") or schema["allOf"])[0], known)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        required = schema.get("required", ())
        return {name: _sample(schema["properties"][name], known) for name in required}
    if kind == "array":
        return [_sample(schema["items"], known)] * schema.get("minItems", 0)
    plain = {"string": "x" * max(1, schema.get("minLength", 1)), "boolean": True}
    return plain.get(str(kind), schema.get("minimum", 1))
