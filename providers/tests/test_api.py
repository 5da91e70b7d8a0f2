"""Providers through the API and the pages, against a real server on loopback."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from conftest import ApiClient
from providers import services
from providers.errors import NoSuchModel
from providers.models import Provider, ProviderModel
from providers.types import ChatMessage, ChatRequest, Finish, TextDelta, ThinkingDelta, Usage

Api = Callable[[User], ApiClient]
KEY = "sk-canary-1234567890abcdef"


class Upstream(ThreadingHTTPServer):
    """Speaks enough of the OpenAI dialect; `models` is its list, `seen` its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.models: Any = [{"id": "gpt-4o"}, {"id": "text-embedding-3-small"}, {"id": "qwq-32b"}]
        self.status = 200
        self.seen: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Upstream

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization", "")))
        self._answer(json.dumps({"data": self.server.models}).encode())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        chunks = [{"choices": [{"delta": {"content": word}}]} for word in ("Hello ", "world")] + [
            {"choices": [{"delta": {}, "finish_reason": "stop"}]}
        ]
        self._answer(b"".join(b"data: " + json.dumps(c).encode() + b"\n\n" for c in chunks))

    def _answer(self, body: bytes) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def upstream(settings: Any) -> Iterator[Upstream]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = Upstream()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def connect(api: ApiClient, upstream: Upstream, **fields: Any) -> dict[str, Any]:
    body = {"kind": "openai", "name": "Local", "base_url": upstream.url, "api_key": KEY, **fields}
    answer = api.post("providers", **body)
    assert answer.status_code == 201, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_the_key_never_comes_back(alice: User, api: Api, upstream: Upstream) -> None:
    provider = connect(api(alice), upstream)
    assert provider["api_key"] == "…cdef"
    row = Provider.objects.get()
    assert KEY not in row.credential
    pages = Client()
    pages.force_login(alice)
    for path in ("", f"{row.pk}/", f"{row.pk}/edit/"):
        assert KEY not in pages.get(f"/providers/{path}").content.decode()
    assert KEY not in str(list(AuditEvent.objects.values()))


def test_refreshing_types_models_and_keeps_edits(alice: User, api: Api, upstream: Upstream) -> None:
    client = api(alice)
    provider = connect(client, upstream)
    first = client.post(f"providers/{provider['id']}/refresh-models").json()
    assert first["added"] == 3
    types = {row["model_id"]: row["types"] for row in first["models"]}
    assert types["text-embedding-3-small"] == ["embedding"]
    assert "vision" in types["gpt-4o"] and "reasoning" in types["qwq-32b"]
    model = ProviderModel.objects.get(model_id="gpt-4o")
    client.patch(f"models/{model.pk}", types=["chat"], temperature=0.2)
    upstream.models = [{"id": "gpt-4o"}, {"id": "new"}]
    second = client.post(f"providers/{provider['id']}/refresh-models").json()
    assert (second["added"], second["missing"]) == (1, 2)
    model.refresh_from_db()
    assert model.types == ["chat"] and model.temperature == 0.2
    assert client.get("models").json()["count"] == 2


def test_a_failed_refresh_changes_nothing(alice: User, api: Api, upstream: Upstream) -> None:
    client = api(alice)
    provider = connect(client, upstream)
    client.post(f"providers/{provider['id']}/refresh-models")
    upstream.status = 401
    answer = client.post(f"providers/{provider['id']}/refresh-models")
    assert answer.status_code == 502 and answer.json()["error"]["code"] == "authentication"
    assert ProviderModel.objects.filter(missing_since=None).count() == 3


def test_testing_tells_only_whether_it_works(alice: User, api: Api, upstream: Upstream) -> None:
    provider = connect(api(alice), upstream)
    assert api(alice).post(f"providers/{provider['id']}/test").json()["ok"] is True
    upstream.status = 500
    answer = api(alice).post(f"providers/{provider['id']}/test").json()
    assert answer["ok"] is False and answer["error"]["code"] == "unavailable"


def test_another_host_needs_the_key_again(alice: User, api: Api, upstream: Upstream) -> None:
    provider = connect(api(alice), upstream)
    moved = api(alice).patch(f"providers/{provider['id']}", base_url="https://evil.example/v1")
    assert moved.status_code == 422 and "api_key" in moved.json()["error"]["fields"]
    assert Provider.objects.get().base_url == upstream.url


@pytest.mark.parametrize("url", ["http://127.0.0.1/v1", "http://[::1]/v1", "http://127.1/", "x"])
def test_internal_addresses_are_refused_when_saving(alice: User, api: Api, url: str) -> None:
    answer = api(alice).post("providers", kind="openai", name="x", base_url=url, api_key="k")
    assert answer.status_code == 422


def test_it_requires_the_owner(alice: User, bob: User, api: Api, upstream: Upstream) -> None:
    provider = connect(api(alice), upstream)
    path = f"providers/{provider['id']}"
    for answer in (
        api(bob).get(path),
        api(bob).patch(path, name="mine"),
        api(bob).delete(path),
        api(bob).post(f"{path}/test"),
        api(bob).post(f"{path}/refresh-models"),
    ):
        assert answer.status_code == 404


def test_shared_providers_are_changed_by_administrators_only(
    alice: User, admin_user: User, api: Api
) -> None:
    assert api(alice).post("providers", preset="echo", is_shared=True).status_code == 422
    shared = api(admin_user).post("providers", preset="echo", is_shared=True).json()
    assert api(alice).get("models").json()["items"][0]["model_id"] == "echo"
    assert api(alice).delete(f"providers/{shared['id']}").status_code == 404
    assert api(admin_user).delete(f"providers/{shared['id']}").status_code == 204


async def collect(target: Any, text: str, **parameters: Any) -> list[Any]:
    request = ChatRequest(target.model_id, [ChatMessage("user", text)], parameters)
    return [event async for event in services.stream_chat(target, request)]


@pytest.mark.django_db(transaction=True)
async def test_streaming_from_an_upstream(upstream: Upstream) -> None:
    provider = Provider(kind="openai", base_url=upstream.url)
    provider.set_key(KEY)
    events = await collect(provider.target("gpt-4o"), "hi")
    assert events == [TextDelta("Hello "), TextDelta("world"), Finish("stop")]


async def test_the_echo_provider_is_complete() -> None:
    target = Provider(kind="echo").target("echo")
    events = await collect(target, "/think 你好 world")
    assert any(isinstance(event, ThinkingDelta) for event in events)
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == "你好 world"
    assert any(isinstance(event, Usage) for event in events)
    assert events[-1] == Finish("stop")
    assert (await collect(target, "a b c", max_tokens=1))[-1] == Finish("length")


def test_the_pages_connect_test_and_delete(alice: User, upstream: Upstream) -> None:
    client = Client()
    client.force_login(alice)
    assert client.get("/providers/new/custom/").status_code == 200
    bad = client.post("/providers/new/custom/", {"name": "", "base_url": "nonsense"})
    assert bad.status_code == 422
    form = {"name": "Local", "base_url": upstream.url, "api_key": KEY}
    client.post("/providers/new/custom/", form)
    provider = Provider.objects.get()
    assert provider.models.count() == 3
    page = client.get(f"/providers/{provider.pk}/?q=gpt")
    assert b"gpt-4o" in page.content and b"qwq" not in page.content
    for verb in ("test", "refresh", "toggle"):
        assert client.post(f"/providers/{provider.pk}/{verb}/").status_code == 302
    model = provider.models.get(model_id="gpt-4o")
    path = f"/providers/{provider.pk}/models/{model.pk}/"
    form = {"name": "GPT", "types": "chat, vision", "temperature": "3"}
    assert client.post(path, form | {"types": ""}).status_code == 422
    assert client.post(path, form).status_code == 302
    assert (
        client.post(
            f"/providers/{provider.pk}/edit/", {"name": "N", "base_url": "https://a.example/v1"}
        ).status_code
        == 422
    )
    client.post(f"/providers/{provider.pk}/delete/")
    assert not Provider.objects.exists()
    assert AuditEvent.objects.filter(action="provider.delete").exists()


def test_published_models_belong_to_their_owner(alice: User, bob: User) -> None:
    model = services.publish_model(
        name="tuned", base_url="http://127.0.0.1:1/v1", api_key="k", model_id="tuned", owner=alice
    )
    assert services.resolve_chat_target(user=alice, model_pk=model.pk).is_managed
    with pytest.raises(NoSuchModel):
        services.resolve_chat_target(user=bob, model_pk=model.pk)
    assert not Provider.objects.editable_by(alice).exists()
    services.withdraw_model(model)
    assert not Provider.objects.exists()
