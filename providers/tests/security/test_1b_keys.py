"""Keys: what one may do does not depend on where it is put, and never exceeds its owner."""

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.test import Client
from django.utils import timezone

from accounts.access import find_key
from accounts.models import ApiKey, Role, User
from accounts.services import deactivate, revoke_key
from conftest import ApiClient
from providers.gateway.authentication import Keyring
from providers.models import CallRecord, Provider
from providers.services import create_provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.security.test_1a_outbound import BODIES
from providers.tests.stand_in import StandIn
from tests.sources import PACKAGES, ROOT

Api = Callable[[User], ApiClient]
Place = Callable[[str], dict[str, str]]
PLACES: dict[str, Place] = {
    "bearer": lambda key: {"authorization": f"Bearer {key}"},
    "lower case": lambda key: {"authorization": f"bearer {key}"},
    "x-api-key": lambda key: {"x-api-key": key},
    "both": lambda key: {"authorization": f"Bearer {key}", "x-api-key": key},
    "anthropic": lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
}
ROUTES = [*BODIES, "models", "models/echo"]
CHAT = BODIES["chat/completions"] | {"model": "echo"}


def ask(url: str, key: str) -> httpx.Response:
    headers = PLACES["bearer"](key)
    return httpx.post(f"{url}/v1/chat/completions", json=CHAT, headers=headers, timeout=30)


# --- CVE-2026-45339 (Open WebUI): restrictions held in one header only ------------------------


def _statuses(live_url: str, key: str, place: str) -> list[int]:
    headers = PLACES[place](key)
    found = []
    for route in ROUTES:
        body = BODIES.get(route)
        method = "POST" if body else "GET"
        sent = body | {"model": "echo"} if body else None
        answer = httpx.request(method, f"{live_url}/v1/{route}", json=sent, headers=headers)
        found.append(answer.status_code)
    return found


@pytest.mark.parametrize(
    ("limits", "chat", "listed"),
    [
        ({}, 200, 200),
        ({"allowed_models": ["echo/echo"]}, 200, 200),
        ({"allowed_models": ["other"]}, 404, 404),
        ({"budget_usd": 0}, 429, 200),
        ({"expires_at": timedelta(seconds=-1)}, 401, 401),
        ({"revoked_at": timedelta(0)}, 401, 401),
    ],
    ids=lambda part: str(part),
)
def test_CVE_2026_45339_a_key_is_the_same_in_every_place(
    live_url: str, echo: Provider, alice: User, limits: Any, chat: int, listed: int
) -> None:
    fields = {
        name: timezone.now() + value if isinstance(value, timedelta) else value
        for name, value in limits.items()
    }
    row, key = ApiKey.issue(user=alice, name="k")
    ApiKey.objects.filter(pk=row.pk).update(**fields)
    decisions = {tuple(_statuses(live_url, key, place)) for place in PLACES}
    assert len(decisions) == 1, "the same in every place"
    [found] = decisions
    by_route = dict(zip(ROUTES, found, strict=True))
    assert by_route["chat/completions"] == by_route["messages"] == chat
    assert by_route["models/echo"] == listed


# --- CVE-2026-47101 (LiteLLM): a key made itself one that may do more -------------------------

LIMITED: list[dict[str, Any]] = [
    *({"allowed_models": ["echo/echo"]}, {"rpm": 5}, {"tpm": 500}, {"max_parallel": 1}),
    *({"budget_day_usd": 1}, {"budget_month_usd": 1}, {"budget_usd": 0}),
]


@pytest.mark.parametrize("limits", LIMITED, ids=lambda limits: next(iter(limits)))
def test_CVE_2026_47101_a_limited_key_changes_nothing(
    alice: User, echo: Provider, make_key: MakeKey, limits: dict[str, Any]
) -> None:
    """It could go round its limits by a new key, an alias, a connection or a chat."""
    key = make_key(**limits)
    row, model = ApiKey.objects.get(), echo.models.get()
    client = ApiClient(key)
    answers = [
        client.post("keys", name="more"),
        client.patch(f"keys/{row.pk}", rpm=None, models=[]),
        client.delete(f"keys/{row.pk}"),
        client.post("aliases", name="a", models=[model.pk]),
        client.post("providers", preset="echo", name="other"),
        client.patch(f"providers/{echo.pk}", name="renamed"),
        client.post("chat/sessions", model_id=model.pk),
    ]
    for answer in answers:
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "key_limited"
    assert client.get("keys").status_code == 200 and ApiKey.objects.count() == 1
    assert ApiClient(make_key()).post("keys", name="more").status_code == 201


def test_CVE_2026_47101_an_expiring_key_makes_none_that_lasts_longer(
    alice: User, make_key: MakeKey
) -> None:
    end = timezone.now() + timedelta(hours=1)
    client, later = ApiClient(make_key(expires_at=end)), end + timedelta(seconds=1)
    pk = ApiKey.objects.get().pk
    for fields in ({}, {"expires_at": None}, {"expires_at": later.isoformat()}):
        assert client.post("keys", name="more", **fields).status_code == 403
    for fields in ({"expires_at": None}, {"expires_at": later.isoformat()}):
        assert client.patch(f"keys/{pk}", **fields).status_code == 403
    sooner = (end - timedelta(minutes=1)).isoformat()
    assert client.post("keys", name="less", expires_at=sooner).status_code == 201
    assert client.patch(f"keys/{pk}", name="renamed").status_code == 200


def test_CVE_2026_47101_a_key_loses_what_its_owner_loses(
    live_url: str, admin_user: User, alice: User, make_key: MakeKey
) -> None:
    create_provider(actor=alice, preset="echo", name="hers")
    key = make_key(admin_user)
    assert ApiClient(key).get("audit").status_code == 200
    User.objects.filter(pk=admin_user.pk).update(role=Role.USER)
    assert ApiClient(key).get("audit").status_code == 403
    listed = httpx.get(f"{live_url}/v1/models", headers=PLACES["bearer"](key)).json()
    assert listed["data"] == []


# --- CVE-2026-47102 (LiteLLM): columns that no caller may set -----------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("user", 1), ("user_id", 1), ("owner", 1), ("id", 7), ("prefix", "abc")),
        *(("sha256", "0" * 64), ("last_used_at", None), ("revoked_at", None), ("role", "admin")),
        *(("created_at", "2020-01-01T00:00:00Z"), ("is_staff", True), ("allowed_routes", ["/*"])),
    ],
)
def test_CVE_2026_47102_no_other_column_is_set(
    alice: User, api: Api, make_key: MakeKey, field: str, value: Any
) -> None:
    make_key()
    before = ApiKey.objects.values().get()
    assert api(alice).post("keys", name="x", **{field: value}).status_code == 422
    assert api(alice).patch(f"keys/{before['id']}", **{field: value}).status_code == 422
    assert ApiKey.objects.values().get() == before


# --- CVE-2026-42208 (LiteLLM): a key went into SQL ------------------------------------------------

ODD = [
    *("' OR '1'='1", "llmp_' OR '1'='1.x", "llmp_a'--.x", "llmp_%.x", "llmp_\x00.x", "\x00"),
    *("llmp_😀.x", "llmp_a.\ud800", "x" * 65_536, f"llmp_{'a' * 65_536}.x", "llmp_.", "llmp_a"),
]


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:20])
async def test_CVE_2026_42208_odd_keys_are_no_keys(
    transactional_db: None, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    from asgiref.sync import sync_to_async

    assert await sync_to_async(find_key)(text) is None
    assert await Keyring().caller(text) is None
    headers = {"Authorization": f"Bearer {text}"}
    client = Client(headers=headers)
    answer = await sync_to_async(client.get)("/api/v1/auth/me")
    assert answer.status_code == 401
    assert "Error" not in caplog.text


def test_CVE_2026_42208_nothing_is_written_into_sql() -> None:
    """No text of ours reaches the database but through its parameters."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if {"tests", "migrations", "environment"} & set(path.parts):
                continue
            text = path.read_text(encoding="utf-8")
            for call in (".raw(", ".extra(", "RawSQL(", "execute(f", "execute(%", ".execute(sql"):
                assert call not in text, f"{path}: {call}"


# --- CVE-2026-55255, CVE-2026-33053 (Langflow): others' keys, others' budget --------------------


def test_CVE_2026_33053_nobody_revokes_anothers_key(
    live_url: str, alice: User, bob: User, api: Api, echo: Provider, make_key: MakeKey
) -> None:
    key = make_key()
    pk = ApiKey.objects.get().pk
    for client in (api(bob), ApiClient(make_key(bob))):
        assert client.delete(f"keys/{pk}").status_code == 404
        assert client.patch(f"keys/{pk}", models=["x"]).status_code == 404
    headers = PLACES["bearer"](key)
    assert httpx.get(f"{live_url}/v1/models/echo", headers=headers).status_code == 200


def test_CVE_2026_55255_nobody_runs_anothers_provider(
    live_url: str, alice: User, bob: User, api: Api, echo: Provider, make_key: MakeKey
) -> None:
    """By name, number or a chat's model; and no call of it stands in anybody's records."""
    headers, model = PLACES["bearer"](make_key(bob)), echo.models.get()
    for name in ("echo", "echo/echo", f"echo#{echo.pk}/echo", str(model.pk)):
        for path in ("chat/completions", "messages"):
            body = BODIES[path] | {"model": name}
            answer = httpx.post(f"{live_url}/v1/{path}", json=body, headers=headers)
            assert answer.status_code == 404
    for chosen in (model.pk, "echo", "echo/echo"):
        assert api(bob).post("chat/sessions", model_id=chosen).status_code == 422
    alias = api(bob).post("aliases", name="a", models=[model.pk])
    assert alias.status_code in (404, 422)
    assert not CallRecord.objects.filter(user=alice).exists()
    assert not CallRecord.objects.filter(status="done").exists()


# --- CVE-2026-3902 (Django): headers with underscores --------------------------------------------


def test_CVE_2026_3902_underscores_are_no_hyphens(
    live_url: str, echo: Provider, alice: User, make_key: MakeKey
) -> None:
    """Neither a key nor the address that wrong passwords are counted by. (`X-Forwarded-For` is
    believed when it comes from this machine, where a proxy may be.)"""
    for name in ("X_Api_Key", "x_api_key"):
        headers = {name: make_key()}
        assert httpx.get(f"{live_url}/v1/models", headers=headers).status_code == 401
    login = {"email": alice.email, "password": "wrong"}
    answers = [
        httpx.post(
            f"{live_url}/api/v1/auth/login",
            json=login,
            headers={"X_Forwarded_For": f"9.9.9.{n}"},
        ).status_code
        for n in range(11)
    ]
    assert answers == [401] * 10 + [429]


# --- Stolen shortcuts: before anything is read, by beginnings, by headers, after the end ----------


@pytest.mark.parametrize(
    "value",
    [
        *("", "Bearer", "Bearer nonsense", "Bearer llmp_", "Bearer llmp_abc.def"),
        *("Basic abc", "Bearer ' OR '1'='1", "Bearer llmp_' OR '1'='1.x", "llmp_a.b"),
        "Bearer " + "x" * 60_000,
        "Bearer llmp_\N{GRINNING FACE}.x".encode().decode("latin-1"),
    ],
)
def test_CVE_2026_42208_CVE_2025_3248_a_wrong_key_is_refused_before_anything_is_read(
    live_url: str, echo: Provider, value: str
) -> None:
    answer = httpx.post(
        f"{live_url}/v1/chat/completions",
        content=b"not even JSON",
        headers=[(b"authorization", value.encode("latin-1"))],
    )
    if answer.status_code == 400 and not answer.headers.get("x-request-id"):
        return  # the server itself refuses headers of this size
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "invalid_api_key"


def test_CVE_2026_35030_a_forged_key_with_a_good_beginning_is_refused(
    live_url: str, echo: Provider, make_key: MakeKey
) -> None:
    key = make_key()
    assert ask(live_url, key).status_code == 200
    assert ask(live_url, key[:-1] + ("x" if key[-1] != "x" else "y")).status_code == 401
    assert ask(live_url, key + "x").status_code == 401


TRICKS = {
    "X-Request-From": "internal",
    "X-Internal": "1",
    "X-Forwarded-User": "admin@example.com",
    "X-Original-URL": "/v1/models",
    "X-HTTP-Method-Override": "GET",
    "X_Api_Key": "key",
    "Cookie": "sessionid=key",
    "Api-Key": "key",
}


@pytest.mark.parametrize("name", TRICKS)
def test_CVE_2026_30820_headers_grant_nothing(
    live_url: str, echo: Provider, make_key: MakeKey, name: str
) -> None:
    key = make_key()
    value = TRICKS[name].replace("key", key)
    assert httpx.get(f"{live_url}/v1/models", headers={name: value}).status_code == 401
    headers = {"authorization": f"Bearer {make_key(allowed_models=['x'])}", name: value}
    url = f"{live_url}/v1/chat/completions"
    assert httpx.post(url, json=CHAT, headers=headers).status_code == 404


@pytest.mark.parametrize("how", ["revoked", "deactivated", "disabled"])
def test_CVE_2026_32717_what_ends_ends_within_five_seconds(
    live_url: str, echo: Provider, alice: User, make_key: MakeKey, how: str
) -> None:
    key = make_key()
    assert ask(live_url, key).status_code == 200
    row = find_key(key)
    assert row is not None
    if how == "revoked":
        revoke_key(key=row, actor=alice)
    elif how == "deactivated":
        deactivate(user=alice, actor=alice)
    else:
        Provider.objects.update(is_enabled=False)
    deadline = time.monotonic() + 5
    while (status := ask(live_url, key).status_code) == 200:
        assert time.monotonic() < deadline, "still accepted"
        time.sleep(0.1)
    assert status == (404 if how == "disabled" else 401)
    assert ask(live_url, key).status_code == status


# How a key ends; the first two as in another process, which tells nobody here.
ENDS: dict[str, Callable[[ApiKey], object]] = {
    "revoked": lambda key: ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now()),
    "expired": lambda key: ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now()),
    "deactivated": lambda key: deactivate(user=key.user, actor=key.user),
}
# Far more than is promised: how long it takes on a busy machine says nothing.
PATIENCE_S = 30


@pytest.mark.parametrize("path", ["chat/completions", "messages"])
@pytest.mark.parametrize("how", ENDS)
def test_CVE_2026_32717_a_stream_ends_with_its_key(
    live_url: str,
    remote: Provider,
    stand_in: StandIn,
    make_key: MakeKey,
    recorded: Records,
    how: str,
    path: str,
) -> None:
    stand_in.mode, key = "endless", make_key()
    row = find_key(key)
    assert row is not None
    url, body = f"{live_url}/v1/{path}", BODIES[path] | {"stream": True}
    headers = PLACES["bearer"](key)
    with httpx.stream("POST", url, json=body, headers=headers, timeout=PATIENCE_S) as answer:
        lines = answer.iter_lines()
        assert next(lines)
        ENDS[how](row)
        until = time.monotonic() + PATIENCE_S
        rest = list(itertools.takewhile(lambda _line: time.monotonic() < until, lines))
    last = [line for line in rest if line.startswith("data: ")][-1]
    error = json.loads(last.removeprefix("data: "))["error"]
    wanted = {"code": "invalid_api_key"}
    if path == "messages":
        wanted = {"type": "authentication_error"}
    assert error.items() >= wanted.items()
    assert stand_in.has_left.wait(PATIENCE_S)
    [call] = recorded(1)
    assert (call.status, call.error_code) == ("interrupted", "key_ended")
    assert call.completion_tokens and call.is_estimated


def test_CVE_2026_32717_a_call_without_a_stream_ends_with_its_key(
    live_url: str, remote: Provider, stand_in: StandIn, make_key: MakeKey, recorded: Records
) -> None:
    stand_in.mode, key = "hang", make_key()
    row = find_key(key)
    assert row is not None
    url, body = f"{live_url}/v1/chat/completions", BODIES["chat/completions"]
    headers = PLACES["bearer"](key)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(httpx.post, url, json=body, headers=headers, timeout=PATIENCE_S)
        until = time.monotonic() + PATIENCE_S
        while not stand_in.seen and time.monotonic() < until:
            time.sleep(0.05)
        ENDS["revoked"](row)
        answer = asked.result()
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "invalid_api_key")
    assert stand_in.has_left.wait(PATIENCE_S)
    [call] = recorded(1)
    assert (call.status, call.error_code) == ("interrupted", "key_ended")
