"""What a connection can do: sign in with OAuth2, know its application, wait and try again."""

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent, User
from providers import access_tokens, retrying, services
from providers.access_tokens import AccessTokens
from providers.adapters.dify import DifyAdapter
from providers.checks import check_url, checked_key
from providers.models import CallRecord, Provider, ProviderModel
from providers.tests.office import Office
from providers.types import ChatRequest, ClientCredentials, Patience

SECRET = "client-s:cret-12345"
HELLO = [{"role": "user", "content": "hi"}]


@pytest.fixture
def office(settings: Any) -> Iterator[Office]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = Office()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrying, "FIRST_PAUSE_S", 0.001)


def oauth(office: Office, **fields: str) -> dict[str, str]:
    return {"token_url": f"{office.root}/token", "client_id": "me", **fields}


def connect(alice: User, office: Office, **fields: Any) -> Provider:
    given = {"kind": "openai", "base_url": office.url, "api_key": SECRET} | fields
    provider = services.create_provider(actor=alice, name="up", **given)
    ProviderModel.objects.create(provider=provider, model_id="m", name="m", types=["chat"])
    return provider


# --- Signing in ---------------------------------------------------------------


def test_a_token_is_fetched_once_and_kept(db: None, alice: User, office: Office) -> None:
    provider = connect(alice, office, oauth=oauth(office, scope="models chat"))
    assert services.check_connection(provider).ok
    assert [row.model_id for row in services.list_models(provider)] == ["m"]
    [asked] = office.asked
    assert (asked["client"], asked["secret"]) == ("me", SECRET)
    assert asked["body"] == "grant_type=client_credentials&scope=models+chat"


def test_a_refused_token_is_renewed_once(db: None, alice: User, office: Office) -> None:
    provider = connect(alice, office, oauth=oauth(office))
    assert services.check_connection(provider).ok
    office.accepted = set()
    assert services.check_connection(provider).ok, "the second token is good"
    assert len(office.asked) == 2
    office.failures = [(401, {}), (401, {})]
    result = services.check_connection(provider)
    assert result.error is not None and result.error.code == "authentication"
    assert (len(office.asked), office.failures) == (3, [])


@pytest.mark.parametrize(
    ("answer", "code", "advice"),
    [
        ((401, {"error": "invalid_client"}), "authentication", "client id"),
        ((400, {"error": "invalid_scope"}), "authentication", "scope"),
        ((200, {"error": "unauthorized"}), "authentication", "client secret"),
        ((404, {}), "unavailable", "token URL gives no token"),
        ((500, {}), "unavailable", "token URL gives no token"),
        ((200, ["odd"]), "unavailable", "token URL gives no token"),
        ((429, {}), "rate_limited", "Wait a moment"),
    ],
)
def test_what_the_token_url_answers_is_in_our_words(
    db: None, alice: User, office: Office, answer: Any, code: str, advice: str
) -> None:
    provider = connect(alice, office, oauth=oauth(office))
    office.token_answer = answer
    result = services.check_connection(provider)
    assert result.error is not None
    assert result.error.code == code and advice in str(result.error.advice)
    assert SECRET not in repr(result.error) and office.calls == []


def test_the_token_url_is_guarded(db: None, alice: User, office: Office, settings: Any) -> None:
    provider = connect(alice, office, oauth=oauth(office))
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    result = services.check_connection(provider)
    assert result.error is not None and result.error.code == "unavailable"
    assert office.asked == []
    with pytest.raises(ValidationError) as error:
        services.change_provider(
            provider=provider, actor=alice, base_url="https://p.example/v1",
            api_key=SECRET, oauth=oauth(office),
        )  # fmt: skip
    assert list(error.value.message_dict) == ["token_url"]


CREDENTIALS = ClientCredentials("https://id.test/token", "me", "s")


async def test_one_fetch_at_a_time_and_one_that_leaves_ends_nobodys_wait() -> None:
    fetches, gate = [], asyncio.Event()

    async def fetch(credentials: ClientCredentials, patience: Patience) -> bytes:
        fetches.append(credentials)
        await gate.wait()
        return json.dumps({"access_token": f"t{len(fetches)}"}).encode()

    tokens = AccessTokens(fetch=fetch)
    first, *others = (
        asyncio.ensure_future(tokens._token(CREDENTIALS, Patience())) for _ in range(5)
    )
    await asyncio.sleep(0)
    others[0].cancel()
    first.cancel()
    await asyncio.sleep(0.01)
    gate.set()
    assert await asyncio.gather(*others[1:]) == ["t2"] * 3, "another one has fetched it"
    assert len(fetches) == 2


async def test_those_who_wait_share_the_failure() -> None:
    fetches = []

    async def fetch(credentials: ClientCredentials, patience: Patience) -> bytes:
        fetches.append(credentials)
        await asyncio.sleep(0)
        raise access_tokens.BadRequest("HTTP 400")

    tokens = AccessTokens(fetch=fetch)
    found = await asyncio.gather(
        *(tokens._token(CREDENTIALS, Patience()) for _ in range(4)), return_exceptions=True
    )
    assert [type(each) for each in found] == [access_tokens.TokenRefused] * 4
    assert len(fetches) == 1


@pytest.mark.django_db(transaction=True)
def test_the_gateway_signs_in_and_renews(
    alice: User, office: Office, sdk_for: Callable[..., Any]
) -> None:
    connect(alice, office, oauth=oauth(office))
    sdk = sdk_for()
    for _each in range(2):
        answer = sdk.chat.completions.create(model="m", messages=HELLO)
        assert answer.choices[0].message.content == "hi"
    assert len(office.asked) == 1
    office.accepted = set()
    assert sdk.chat.completions.create(model="m", messages=HELLO).choices
    assert len(office.asked) == 2
    office.token_answer, office.accepted = (401, {"error": "invalid_client"}), set()
    with pytest.raises(openai.APIStatusError) as error:
        sdk.chat.completions.create(model="m", messages=HELLO)
    assert "client id" in str(error.value) and SECRET not in str(error.value)


def test_the_secret_is_stored_encrypted_and_never_shown(
    db: None, alice: User, office: Office, api: Any
) -> None:
    answer = api(alice).post(
        "providers", name="up", kind="openai", base_url=office.url, api_key=SECRET,
        oauth=oauth(office),
    )  # fmt: skip
    assert answer.status_code == 201
    body = answer.json()
    wanted = oauth(office) | {"scope": "", "style": "basic"}
    assert body["oauth"] == wanted and SECRET not in answer.text
    provider = Provider.objects.get()
    assert SECRET not in provider.credential and SECRET not in str(provider.oauth)
    target = provider.target()
    assert (target.api_key, target.profile.auth) == ("", "bearer")
    assert SECRET not in repr(target)
    assert SECRET not in str(list(AuditEvent.objects.values()))
    gone = api(alice).patch(f"providers/{provider.pk}", oauth={}, api_key="sk-plain-123456")
    assert gone.status_code == 200 and gone.json()["oauth"] == {}


def test_a_new_place_to_sign_in_needs_the_secret_again(
    db: None, alice: User, office: Office, api: Any
) -> None:
    provider = connect(alice, office)
    path = f"providers/{provider.pk}"
    answer = api(alice).patch(path, oauth=oauth(office))
    assert answer.status_code == 422 and "api_key" in answer.json()["error"]["fields"]
    assert api(alice).patch(path, oauth=oauth(office), api_key=SECRET).status_code == 200
    other = oauth(office) | {"token_url": "https://evil.example/token"}
    assert "api_key" in api(alice).patch(path, oauth=other).json()["error"]["fields"]


def test_all_that_is_wrong_is_said_at_once(db: None, alice: User, office: Office, api: Any) -> None:
    answer = api(alice).post(
        "providers",
        kind="openai",
        name="a/b",
        base_url="nonsense",
        api_key="钥匙",
        oauth={"token_url": "ftp://x", "style": "banana"},
        profile={"nosuch": 1, "headers": {"Host": "x"}, "include_usage": "no"},
        extra_body={"model": "x", "stream": True},
        drop_params=["messages"],
    )
    assert answer.status_code == 422
    fields = answer.json()["error"]["fields"]
    assert set(fields) == {
        *("name", "base_url", "api_key", "token_url", "client_id", "style"),
        *("profile", "extra_body", "drop_params"),
    }
    assert len(fields["profile"]) == 3 and len(fields["extra_body"]) == 2


# --- Dify ---------------------------------------------------------------------


def test_the_kind_of_an_application_is_read_stored_and_used(
    db: None, alice: User, office: Office, api: Any
) -> None:
    provider = connect(alice, office, kind="dify")
    office.info = (200, {"name": "Flow", "mode": "workflow"})
    assert services.check_connection(provider).ok
    provider = Provider.objects.get()
    assert provider.app_mode == "workflow"
    request = DifyAdapter().chat(provider.target("Flow"), ChatRequest("Flow", HELLO))
    assert request.url == f"{office.url}/workflows/run"
    assert api(alice).get(f"providers/{provider.pk}").json()["app_mode"] == "workflow"


@pytest.mark.parametrize("info", [(500, {}), (200, {"name": "x"}), (200, {"mode": "new-thing"})])
def test_a_failed_reading_keeps_what_was(db: None, alice: User, office: Office, info: Any) -> None:
    provider = connect(alice, office, kind="dify")
    office.info = (200, {"mode": "agent-chat"})
    services.refresh_models(provider=provider, actor=alice)
    office.info = info
    services.check_connection(provider)
    provider = Provider.objects.get()
    assert provider.app_mode == provider.target().profile.app_mode == "agent-chat"
    provider.profile = {"app_mode": "completion"}
    assert provider.target().profile.app_mode == "completion", "a person's word wins"


# --- Patience -----------------------------------------------------------------


def test_a_connection_has_its_own_patience(db: None, alice: User, office: Office, api: Any) -> None:
    provider = connect(alice, office)
    assert provider.target().patience == Patience()
    answer = api(alice).patch(
        f"providers/{provider.pk}", connect_timeout_s=3, read_timeout_s=4, answer_timeout_s=5,
        retries=2,
    )  # fmt: skip
    assert answer.status_code == 200 and answer.json()["retries"] == 2
    assert Provider.objects.get().target().patience == Patience(3, 4, 5, 2)
    for name, value in (("connect_timeout_s", 0), ("read_timeout_s", 99999), ("retries", 6)):
        refused = api(alice).patch(f"providers/{provider.pk}", **{name: value})
        assert refused.status_code == 422
        with pytest.raises(ValidationError) as error:
            services.change_provider(provider=provider, actor=alice, **{name: value})
        assert name in error.value.message_dict


def test_a_silent_provider_is_left_after_that_time(db: None, alice: User, office: Office) -> None:
    provider = connect(alice, office, oauth=oauth(office), read_timeout_s=1, retries=3)
    office.is_open.clear()
    result = services.check_connection(provider)
    assert result.error is not None and result.error.code == "timeout"
    assert len(office.asked) == 1, "after a timeout nobody waits again"


def test_calls_of_pages_are_sent_again(db: None, alice: User, office: Office) -> None:
    provider = connect(alice, office, oauth=oauth(office), retries=2)
    office.failures = [(503, {}), (500, {})]
    assert services.check_connection(provider).ok
    office.failures = [(503, {})] * 3
    assert not services.check_connection(provider).ok
    office.failures = [(403, {})]
    assert not services.check_connection(provider).ok, "that lasts"
    assert office.failures == []


@pytest.mark.django_db(transaction=True)
def test_calls_of_the_gateway_are_sent_again(
    alice: User, office: Office, sdk_for: Callable[..., Any], recorded: Callable[[int], Any]
) -> None:
    connect(alice, office, oauth=oauth(office), retries=2)
    office.failures = [(503, {}), (500, {})]
    answer = sdk_for().chat.completions.create(model="m", messages=HELLO)
    assert answer.choices[0].message.content == "hi"
    [row] = recorded(1)
    assert isinstance(row, CallRecord) and row.status == "done"
    assert [each["error"] for each in row.attempts] == ["overloaded", "unavailable"]


@pytest.mark.parametrize("text", ["sk-1", " sk-1\n", "Bearer sk-1"])
def test_a_key_is_taken_out_of_its_header(text: str) -> None:
    assert checked_key(text) == "sk-1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://api.example.com/v1/chat/completions", "endpoint"),
        ("https://api.example.com/v1/models/", "endpoint"),
        ("https://api.example.com/v1?key=a", "Leave out"),
        ("https://u:p@api.example.com/v1", "Leave out"),
        ("api.example.com/v1", "complete"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(url: str, words: str) -> None:
    with pytest.raises(ValidationError) as error:
        check_url(url)
    assert words in str(error.value)
