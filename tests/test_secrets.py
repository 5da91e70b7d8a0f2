"""Nothing that is entered as a secret comes out again: not in a page, an answer, a row or a log."""

import io
import logging
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import AuditEvent, User
from accounts.tokens import open_session
from conftest import ApiClient
from llmplatform.encryption import decrypt
from tests.canaries import Sinks, forms_of, rows_of_the_database, written_log
from tests.routes import http_routes

PROVIDER_KEY = "sk-canary-9f8e7d6c5b4a39281706f5e4d3c2b1a0"
PASSWORD = "canary wombat umbrella 57"
NEW_PASSWORD = "canary lantern harbour 91"
PROVIDER = "providers.models.connections.Provider"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with written_log() as written:
        yield written


def _browse(client: Client, sinks: Sinks) -> None:
    for route in http_routes():
        if not route.parameters:
            sinks.take(client.get(route.url()))


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


def _careless_story() -> None:
    """What a library or a hasty line might write: the log's own mask is the last one."""
    logger = logging.getLogger("careless")
    logger.warning("asked with api_key=%s", PROVIDER_KEY)
    logger.warning("headers: {'Authorization': 'Bearer %s'}", PROVIDER_KEY)
    try:
        raise ValueError(f"refused: {PROVIDER_KEY}")
    except ValueError:
        logger.exception("it failed")


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
    log: io.StringIO,
) -> None:
    admin_user.set_password(PASSWORD)
    admin_user.save()
    client, sinks = client_for(admin_user), Sinks()
    pair = open_session(user=admin_user, request=None)
    bearer = ApiClient(pair.access)
    key = bearer.post("keys", name="canary").json()["key"]
    _provider_story(client, bearer, sinks)
    _browse(client, sinks)
    sinks.take(ApiClient(key).get("auth/me"))
    _password_story(client, bearer, sinks)
    _careless_story()
    _browse(client, sinks)
    sinks.seen["rows"] = rows_of_the_database()
    sinks.seen["audit"] = str(list(AuditEvent.objects.values()))
    sinks.seen["log"] = log.getvalue()
    assert AuditEvent.objects.filter(action="provider.update").exists()
    signature = pair.access.rpartition(".")[2]
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    for secret in (
        *(PROVIDER_KEY, PASSWORD, NEW_PASSWORD, key.partition(".")[2]),
        *(signature, pair.refresh, session, settings.SECRET_KEY, *settings.FIELD_ENCRYPTION_KEYS),
    ):
        assert sinks.leaks(secret) == []


@pytest.mark.parametrize(
    ("mask", "off", "sink"),
    [
        ("llmplatform.logs.masked", str, "log"),
        ("providers.models.connections.encrypt", str, "rows"),
        (f"{PROVIDER}.key_hint", property(lambda row: decrypt(row.credential)), "/providers/"),
    ],
    ids=["log", "encryption", "hint"],
)
def test_a_mask_that_is_off_is_seen(
    admin_user: User,
    client_for: Callable[[User], Client],
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    mask: str,
    off: object,
    sink: str,
) -> None:
    """The test of the test: without any one of the masks the same story leaks."""
    monkeypatch.setattr(mask, off)
    # What is stored in the clear is also read so.
    if off is str and "encrypt" in mask:
        monkeypatch.setattr("providers.models.connections.decrypt", str)
    sinks, pair = Sinks(), open_session(user=admin_user, request=None)
    _provider_story(client_for(admin_user), ApiClient(pair.access), sinks)
    _careless_story()
    sinks.seen["rows"], sinks.seen["log"] = rows_of_the_database(), log.getvalue()
    leaks = sinks.leaks(PROVIDER_KEY)
    assert any(sink in name for name in leaks), leaks


def test_the_search_would_find_a_leak() -> None:
    """The test of the test: each disguise is recognised."""
    for form in forms_of(PROVIDER_KEY):
        sinks = Sinks({"page": f"<p>{form}</p>"})
        assert sinks.leaks(PROVIDER_KEY) == ["page"]
    assert Sinks({"page": "ends in …b1a0"}).leaks(PROVIDER_KEY) == []
