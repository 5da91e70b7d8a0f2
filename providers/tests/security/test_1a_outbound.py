"""Outbound requests: nobody but the provider gets its key, and nothing inside is reached."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.test import Client

from accounts.models import User
from accounts.tokens import open_session
from conftest import ApiClient
from providers.models import Provider, ProviderModel
from providers.services import create_provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.security.conftest import Sink
from providers.tests.stand_in import StandIn

Api = Callable[[User], ApiClient]
KEY = "sk-stored-key-12345"
HELLO = [{"role": "user", "content": "hello"}]
# What a body of each endpoint needs.
BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": "m", "messages": HELLO},
    "messages": {"model": "m", "messages": HELLO, "max_tokens": 9},
    "messages/count_tokens": {"model": "m", "messages": HELLO},
    "embeddings": {"model": "e", "input": "a"},
    "rerank": {"model": "r", "query": "q", "documents": ["a"]},
}
TYPES = {"m": "chat", "e": "embedding", "r": "rerank"}


def connect(actor: User, url: str, **fields: Any) -> Provider:
    provider = create_provider(
        actor=actor, kind="openai", name="up", base_url=url, api_key=KEY, **fields
    )
    for name, kind in TYPES.items():
        ProviderModel.objects.create(
            provider=provider, model_id=name, name=name, types=[kind], main_type=kind
        )
    return provider


def call(url: str, path: str, key: str, **changes: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.post(f"{url}/v1/{path}", json=BODIES[path] | changes, headers=headers, timeout=30)


# --- CVE-2024-6587 (LiteLLM): the body of a chat led the stored key elsewhere -----------------


@pytest.mark.parametrize("path", BODIES)
def test_CVE_2024_6587_a_body_sets_no_address(
    live_url: str,
    admin_user: User,
    stand_in: StandIn,
    sink: Sink,
    make_key: MakeKey,
    path: str,
) -> None:
    connect(admin_user, stand_in.url, is_shared=True)
    key = make_key()
    for name in (
        *("api_base", "base_url", "headers", "extra_headers", "organization", "api_key"),
        *("azure_endpoint", "extra_query", "custom_llm_provider", "api_version"),
    ):
        answer = call(live_url, path, key, **{name: sink.url})
        assert answer.status_code == 400, name
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert name in answer.json()["error"]["message"]
    assert sink.seen == [] and stand_in.seen == []


def test_CVE_2024_6587_chats_of_the_platform_take_no_address(
    admin_user: User, alice: User, api: Api, sink: Sink
) -> None:
    provider = connect(admin_user, sink.url, is_shared=True)
    model = provider.models.get(model_id="m")
    for body in ({"base_url": sink.url}, {"parameters": {"api_base": sink.url}}):
        answer = api(alice).post("chat/sessions", model_id=model.pk, **body)
        assert answer.status_code == 422, answer.content


def test_unknown_parameters_still_reach_the_provider(
    sdk: Any, remote: Provider, stand_in: StandIn
) -> None:
    """What `extra_body` of an SDK is for: a provider's own switches."""
    own = {"enable_thinking": True, "guided_choice": ["a", "b"], "user": "7", "provider": {"x": 1}}
    sdk.chat.completions.create(model="m", messages=HELLO, extra_body=own)
    assert own.items() <= stand_in.seen[0].items()


# --- CVE-2024-37895 (LobeChat): another base URL, the stored key -----------------------------


@pytest.mark.parametrize("how", ["api", "page"])
def test_CVE_2024_37895_a_new_address_needs_the_key_again(
    live_url: str,
    alice: User,
    api: Api,
    client_for: Callable[[User], Client],
    stand_in: StandIn,
    sink: Sink,
    make_key: MakeKey,
    how: str,
) -> None:
    """Another port is another server, too."""
    provider = connect(alice, stand_in.url)
    if how == "api":
        moved = api(alice).patch(f"providers/{provider.pk}", base_url=sink.url)
        assert "api_key" in moved.json()["error"]["fields"]
    else:
        form = {"name": "up", "base_url": sink.url, "api_key": ""}
        moved = client_for(alice).post(f"/providers/{provider.pk}/edit/", form)
    assert moved.status_code == 422
    assert call(live_url, "chat/completions", make_key()).status_code == 200
    assert len(stand_in.seen) == 1 and sink.seen == []
    new = api(alice).patch(f"providers/{provider.pk}", base_url=sink.url, api_key="sk-other-key")
    assert new.status_code == 200
    assert api(alice).post(f"providers/{provider.pk}/refresh-models").status_code in (200, 502)
    assert sink.seen and not any(KEY in request for request in sink.seen)


# --- CVE-2024-32964 (LobeChat), CVE-2026-45400 (Open WebUI): addresses inside -----------------

INSIDE = [
    *("http://127.0.0.1:6379/", "http://[::1]:6379/", "http://169.254.169.254/latest"),
    *("http://127.0.0.1\\@ok.com", "http://ok.com#@127.0.0.1", "http://127。0。0。1"),
    *("http://①②⑦.⓪.⓪.①", "http://127.1", "http://2130706433", "http://0x7f.1"),
    *("http://0177.0.0.1", "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/"),
    *("http://localhost:6379/", "http://100.100.100.200/", "http://10.0.0.1:8500/v1"),
]


@pytest.mark.parametrize("url", INSIDE)
def test_CVE_2024_32964_CVE_2026_45400_addresses_inside_are_refused(
    alice: User, api: Api, client_for: Callable[[User], Client], url: str
) -> None:
    """Where they are entered; a name is judged by its addresses, when it is connected to."""
    made = api(alice).post("providers", kind="openai", name="x", base_url="https://a.test/v1")
    pk = made.json()["id"]
    answers = [
        api(alice).post("providers", kind="openai", name="y", base_url=url, api_key="k"),
        api(alice).patch(f"providers/{pk}", base_url=url, api_key="k"),
        client_for(alice).post("/providers/new/custom/", {"name": "y", "base_url": url}),
        client_for(alice).post(f"/providers/{pk}/edit/", {"name": "x", "base_url": url}),
    ]
    assert [answer.status_code for answer in answers] == [422] * 4
    assert list(Provider.objects.values_list("base_url", flat=True)) == ["https://a.test/v1"]


# --- CVE-2024-47066 (LobeChat), CVE-2026-45401 (Open WebUI): redirects ------------------------


def _chat_message(url: str, alice: User, provider: Provider) -> Any:
    """A chat on the platform's own pages and API."""
    headers = {"Authorization": f"Bearer {open_session(user=alice, request=None).access}"}
    sessions = f"{url}/api/v1/chat/sessions"
    model = provider.models.get(model_id="m")
    made = httpx.post(sessions, json={"model_id": model.pk}, headers=headers).json()
    body = {"content": "hello"}
    path = f"{sessions}/{made['id']}/messages"
    return httpx.post(path, json=body, headers=headers, timeout=30).json()["error"]["code"]


def _gateway(path: str, **changes: Any) -> Callable[..., Any]:
    def ask(url: str, alice: User, provider: Provider, api: Api, key: str) -> Any:
        answer = call(url, path, key, **changes)
        assert answer.status_code == 502
        body = answer.json()
        return body["error"].get("code") or ("redirect" in body["error"]["message"])

    return ask


# Every way from here to a provider.
WAYS: dict[str, Callable[..., Any]] = {
    "chat": _gateway("chat/completions"),
    "chat streamed": _gateway("chat/completions", stream=True),
    "messages": _gateway("messages"),
    "embeddings": _gateway("embeddings"),
    "rerank": _gateway("rerank"),
    "refresh": lambda url, alice, provider, api, key: (
        api(alice).post(f"providers/{provider.pk}/refresh-models").json()["error"]["code"]
    ),
    "test": lambda url, alice, provider, api, key: (
        api(alice).post(f"providers/{provider.pk}/test").json()["error"]["code"]
    ),
    "message": lambda url, alice, provider, api, key: _chat_message(url, alice, provider),
}


@pytest.mark.parametrize("way", WAYS)
def test_CVE_2024_47066_CVE_2026_45401_no_redirect_is_followed(
    live_url: str,
    alice: User,
    api: Api,
    upstream: Sink,
    sink: Sink,
    make_key: MakeKey,
    way: str,
) -> None:
    provider, key = connect(alice, upstream.url), make_key()
    upstream.location = sink.url
    for count, status in enumerate((301, 302, 303, 307, 308), start=1):
        upstream.status = status
        found = WAYS[way](live_url, alice, provider, api, key)
        assert found in ("upstream_redirect", True), status
        assert len(upstream.seen) == count and sink.seen == []


# --- CVE-2026-64849 (MLflow): a test of a connection told what is inside ----------------------


def test_CVE_2026_64849_a_test_tells_nothing_of_what_is_inside(
    alice: User, api: Api, sink: Sink, settings: Any
) -> None:
    """An address that may not be asked looks like a port where nothing listens."""
    provider = connect(alice, sink.url)
    path = f"providers/{provider.pk}/test"
    assert set(api(alice).post(path).json()) == {"ok", "latency_ms", "error"}
    closed = "http://127.0.0.1:9/v1"
    Provider.objects.update(base_url=closed)
    nothing = api(alice).post(path).json()["error"]
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    Provider.objects.update(base_url=sink.url)
    asked = len(sink.seen)
    blocked = api(alice).post(path).json()["error"]
    assert blocked == nothing and len(sink.seen) == asked
    assert "127.0.0.1" not in json.dumps(blocked)


# --- CVE-2026-42271 (LiteLLM), CVE-2026-105697 (Langflow): testing without the right to save ---


@pytest.mark.parametrize("path", ["test", "refresh-models", "models"])
def test_CVE_2026_42271_testing_needs_the_right_to_save(
    admin_user: User, alice: User, bob: User, api: Api, sink: Sink, path: str
) -> None:
    shared, own = connect(admin_user, sink.url, is_shared=True), connect(alice, sink.url)
    for provider in (shared, own):
        answer = api(bob).post(f"providers/{provider.pk}/{path}", model_id="x", command=["id"])
        assert answer.status_code in (404, 422)
    assert sink.seen == []


@pytest.mark.parametrize("field", ["command", "file_path", "args", "argv", "env"])
def test_CVE_2026_42271_no_body_carries_a_command(alice: User, api: Api, field: str) -> None:
    body = {"kind": "openai", "name": "x", "base_url": "https://a.test/v1", field: "id"}
    assert api(alice).post("providers", **body).status_code == 422
    assert not Provider.objects.exists()


# --- CVE-2025-61784 (LLaMA-Factory): pictures from files and from inside ------------------------


LOCAL = (
    *("file:///etc/passwd", "/etc/passwd", "gopher://x/", "http://169.254.169.254/"),
    *("http://127.0.0.1/x.png", "http://localhost/x", "http://[::1]/x", "ftp://x.test/a.png"),
)


@pytest.mark.parametrize("part", ["image_url", "video_url", "audio_url", "image", "document"])
def test_CVE_2025_61784_pictures_are_public_or_in_the_body(
    live_url: str,
    remote: Provider,
    stand_in: StandIn,
    make_key: MakeKey,
    recorded: Records,
    part: str,
) -> None:
    key, is_anthropic = make_key(), part in ("image", "document")
    path = "messages" if is_anthropic else "chat/completions"
    for url in LOCAL:
        shown = {"source": {"type": "url", "url": url}} if is_anthropic else {part: {"url": url}}
        messages = [{"role": "user", "content": [{"type": part} | shown]}]
        assert call(live_url, path, key, messages=messages).status_code == 400, url
    assert stand_in.seen == [] and {row.status for row in recorded(len(LOCAL))} == {"refused"}


# --- CVE-2024-28224 (Ollama): a name of somebody else's leads here -------------------------------


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/api/v1/auth/me", "/v1/models"])
def test_CVE_2024_28224_foreign_host_names_are_refused(live_url: str, path: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example"):
        answer = httpx.get(f"{live_url}{path}", headers={"host": host})
        assert answer.status_code == 400
