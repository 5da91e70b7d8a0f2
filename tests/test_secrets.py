"""Nothing that is entered as a secret comes out again: not in a page, an answer, a row or a log."""

import base64
import io
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.core import serializers
from django.test import Client

from accounts.models import AuditEvent, User
from conftest import ApiClient
from llmplatform.logs import LineFormatter
from tests.routes import http_routes, text_of
from tests.sources import APPS

PROVIDER_KEY = "sk-canary-9f8e7d6c5b4a39281706f5e4d3c2b1a0"
PASSWORD = "canary wombat umbrella 57"
NEW_PASSWORD = "canary lantern harbour 91"


def _forms(secret: str) -> set[str]:
    """The secret and what careless code makes of it: encoded, escaped, cut in halves."""
    half = len(secret) // 2
    return {
        secret,
        quote(secret),
        json.dumps(secret)[1:-1],
        base64.b64encode(secret.encode()).decode().rstrip("="),
        secret[:half],
        secret[half:],
        secret[::-1],
    }


@dataclass
class Sinks:
    """Everything that was shown or kept, by where."""

    seen: dict[str, str] = field(default_factory=dict)

    def take(self, response: Any) -> Any:
        request = response.request
        name = f"{request['REQUEST_METHOD']} {request['PATH_INFO']} {len(self.seen)}"
        self.seen[name] = text_of(response) + str(response.headers)
        return response

    def leaks(self, secret: str) -> list[str]:
        forms = _forms(secret)
        return [name for name, text in self.seen.items() if any(form in text for form in forms)]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the platform's own handler would have written, at the most talkative level."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(before)


def _browse(client: Client, sinks: Sinks) -> None:
    for route in http_routes():
        if not route.parameters:
            sinks.take(client.get(route.url()))


def _rows() -> str:
    """Every row of every table, as a copy of the database would show it."""
    return "\n".join(
        serializers.serialize("json", model._default_manager.all())
        for app in APPS
        for model in apps.get_app_config(app).get_models()
    )


def _provider_story(client: Client, bearer: ApiClient, sinks: Sinks) -> None:
    form = {
        "name": "Canary",
        "base_url": "http://127.0.0.1:9/v1",
        "api_key": PROVIDER_KEY,
    }
    sinks.take(client.post("/providers/new/custom/", {**form, "base_url": "not an address"}))
    body = {**form, "base_url": "https://models.invalid/v1", "kind": "openai"}
    made = sinks.take(bearer.post("providers", **body))
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    for path in ("", "edit/"):
        sinks.take(client.get(f"/providers/{number}/{path}"))
    sinks.take(bearer.get(f"providers/{number}"))
    sinks.take(bearer.patch(f"providers/{number}", api_key=PROVIDER_KEY, name="Canary two"))
    sinks.take(bearer.patch(f"providers/{number}", base_url="https://other.invalid/v1"))
    sinks.take(bearer.post(f"providers/{number}/test"))
    sinks.take(bearer.post(f"providers/{number}/refresh-models"))
    sinks.take(client.post(f"/providers/{number}/test/"))
    sinks.take(bearer.post("providers", **body, unknown="field"))


def _password_story(client: Client, bearer: ApiClient, sinks: Sinks) -> None:
    login = {"email": "admin@example.com", "password": PASSWORD}
    sinks.take(Client().post("/accounts/login/", {**login, "password": PASSWORD + "x"}))
    sinks.take(Client().post("/accounts/login/", {**login, "email": "not an address"}))
    sinks.take(Client().post("/accounts/register/", {**login, "email": "no address"}))
    wrong = {"old_password": PASSWORD + "x", "new_password": NEW_PASSWORD}
    sinks.take(client.post("/accounts/password/", wrong))
    sinks.take(bearer.post("auth/password", **wrong))
    sinks.take(bearer.post("auth/login", **login, extra=1))
    right = {"old_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert sinks.take(client.post("/accounts/password/", right)).status_code == 302


def test_secrets_stay_inside(
    admin_user: User,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
    log: io.StringIO,
) -> None:
    admin_user.set_password(PASSWORD)
    admin_user.save()
    client, bearer, sinks = client_for(admin_user), api(admin_user), Sinks()
    key = bearer.post("keys", name="canary").json()["key"]
    _provider_story(client, bearer, sinks)
    _browse(client, sinks)
    sinks.take(ApiClient(key).get("auth/me"))
    _password_story(client, bearer, sinks)
    _browse(client, sinks)
    sinks.seen["rows"] = _rows()
    sinks.seen["audit"] = str(list(AuditEvent.objects.values()))
    sinks.seen["log"] = log.getvalue()
    assert AuditEvent.objects.filter(action="provider.update").exists()
    for secret in (PROVIDER_KEY, PASSWORD, NEW_PASSWORD, key.partition(".")[2]):
        assert sinks.leaks(secret) == []


def test_the_search_would_find_a_leak() -> None:
    """The test of the test: each disguise is recognised."""
    for form in _forms(PROVIDER_KEY):
        sinks = Sinks({"page": f"<p>{form}</p>"})
        assert sinks.leaks(PROVIDER_KEY) == ["page"]
    assert Sinks({"page": "ends in …b1a0"}).leaks(PROVIDER_KEY) == []
