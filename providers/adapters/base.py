"""What every dialect offers. Adapters do no IO: they build requests and read bytes."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from providers.auth import Auth, Bearer, auth_of
from providers.types import (
    ChatRequest,
    EmbeddingRequest,
    Embeddings,
    Event,
    HttpRequest,
    ListedModel,
    Ranking,
    RerankRequest,
    Target,
)


class AnswerReader(Protocol):
    """Fed the bytes of one answer as they come; gives events. Raises ProviderError.

    `is_ended`: the provider has said that nothing more comes.
    """

    is_ended: bool

    def feed(self, data: bytes) -> Iterator[Event]: ...

    def finish(self) -> Iterator[Event]: ...


class Adapter(Protocol):
    """One dialect."""

    needs_network: bool

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest: ...

    def reader(self, *, is_stream: bool, target: Target | None = None) -> AnswerReader:
        """`target` lets it keep the provider's state and know the provider's habits."""
        ...

    def models(self, target: Target) -> HttpRequest: ...

    def read_models(self, body: bytes) -> list[ListedModel]: ...


class Embedder(Protocol):
    """A dialect that has embeddings. Offered by adapters that have both methods."""

    def embed(self, target: Target, request: EmbeddingRequest) -> HttpRequest: ...

    def read_embeddings(self, body: bytes) -> Embeddings: ...


class Reranker(Protocol):
    def rerank(self, target: Target, request: RerankRequest) -> HttpRequest: ...

    def read_ranking(self, body: bytes) -> Ranking: ...


# Of a model's name in a URL; the rest is escaped, so that it stays a name.
IN_PATHS = "/:@!$&'()*+,;=~"


class HttpAdapter:
    """Requests of a dialect: paths from the profile, the key where the dialect wants it."""

    needs_network = True
    auth: Auth = Bearer()
    paths: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}

    def url(self, target: Target, name: str) -> str:
        path = target.profile.paths.get(name) or self.paths[name]
        if path.startswith(("https://", "http://")):
            return path
        if "{model}" in path:
            path = path.replace("{model}", quote(target.model_id, safe=IN_PATHS))
        return target.base_url.rstrip("/") + path

    def get(self, target: Target, name: str) -> HttpRequest:
        return self._signed(target, "GET", self.url(target, name))

    def post(self, target: Target, url: str, body: Mapping[str, Any]) -> HttpRequest:
        return self._signed(target, "POST", url, orjson.dumps(body))

    def chat_post(self, target: Target, url: str, body: Mapping[str, Any]) -> HttpRequest:
        """With the administrator's changes to the body."""
        if target.drop_params:
            body = {name: value for name, value in body.items() if name not in target.drop_params}
        if target.extra_body:
            body = merged(body, target.extra_body)
        return self.post(target, url, body)

    def _signed(self, target: Target, method: str, url: str, body: bytes = b"") -> HttpRequest:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **self.headers,
            **target.profile.headers,
        }
        auth = auth_of(target.profile.auth) if target.profile.auth else self.auth
        request = HttpRequest(method, url, headers, body)
        return auth.sign(request, target.api_key) if target.api_key else request


def merged(body: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """`extra` wins; objects are merged all the way down."""
    found = dict(body)
    for name, value in extra.items():
        mine = found.get(name)
        is_deeper = isinstance(mine, Mapping) and isinstance(value, Mapping)
        found[name] = merged(mine, value) if is_deeper else value  # type: ignore[arg-type]
    return found
