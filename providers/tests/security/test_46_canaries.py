"""Canaries through the gateway: a provider that repeats its key in every error it gives."""

import io
from collections.abc import Callable, Iterator

import httpx
import pytest
from django.test import Client

from accounts.models import User
from providers.errors import ProviderError, error_of
from providers.models import CallRecord, Provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.security.conftest import Sink
from providers.tests.security.test_1a_outbound import BODIES, connect
from tests.canaries import Sinks, rows_of_the_database, written_log

PROVIDER_KEY = "sk-canary-5d0c1b7e9a3f48268f1d7c3b2a90e4f6"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with written_log() as written:
        yield written


def test_4_6_keys_stay_inside_whatever_a_provider_says(
    live_url: str,
    admin_user: User,
    client_for: Callable[[User], Client],
    upstream: Sink,
    make_key: MakeKey,
    recorded: Records,
    log: io.StringIO,
) -> None:
    provider = connect(admin_user, upstream.url)
    provider.set_key(PROVIDER_KEY)
    provider.save()
    upstream.is_echo = True
    key, sinks = make_key(admin_user), Sinks()
    asked = 0
    for upstream.status in (200, 400, 401, 403, 404, 429, 500, 503):
        for path in BODIES:
            for extra in ({}, {"stream": True}):
                url = f"{live_url}/v1/{path}"
                headers = {"authorization": f"Bearer {key}"}
                answer = httpx.post(url, json=BODIES[path] | extra, headers=headers, timeout=30)
                sinks.seen[f"{path} {upstream.status}"] = answer.text + str(answer.headers)
                asked += path != "messages/count_tokens"
    recorded(asked)
    client = client_for(admin_user)
    for page in ("/usage/", f"/providers/{provider.pk}/", "/accounts/keys/", "/admin/"):
        sinks.seen[page] = client.get(page).content.decode()
    sinks.seen["rows"], sinks.seen["log"] = rows_of_the_database(), log.getvalue()
    assert any(PROVIDER_KEY in request for request in upstream.seen), "it was sent, and sent back"
    assert CallRecord.objects.exists() and Provider.objects.exists()
    for secret in (PROVIDER_KEY, key.partition(".")[2]):
        assert sinks.leaks(secret) == []


def test_4_6_an_error_text_that_is_passed_on_is_seen(
    live_url: str,
    admin_user: User,
    upstream: Sink,
    make_key: MakeKey,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test of the test: with a provider's own words in the answer the search finds the key."""

    def telling(status: int, body: str, retry_after_s: float | None = None) -> ProviderError:
        error = error_of(status, body, retry_after_s)
        error.advice = body
        return error

    monkeypatch.setattr("providers.gateway.upstream.error_of", telling)
    provider = connect(admin_user, upstream.url)
    provider.set_key(PROVIDER_KEY)
    provider.save()
    upstream.is_echo, upstream.status = True, 401
    headers = {"authorization": f"Bearer {make_key(admin_user)}"}
    url = f"{live_url}/v1/chat/completions"
    answer = httpx.post(url, json=BODIES["chat/completions"], headers=headers, timeout=30)
    assert Sinks({"answer": answer.text}).leaks(PROVIDER_KEY) == ["answer"]
