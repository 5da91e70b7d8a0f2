"""Ways to show a key. None needs a network, all are values."""

import base64
import json
from dataclasses import replace

import jwt
import pytest

from providers.auth import (
    Bearer,
    Header,
    QueryKey,
    SignedToken,
    TokenCache,
    auth_of,
    token_request,
)
from providers.errors import Authentication, InvalidAnswer
from providers.registry import ADAPTERS
from providers.types import ChatRequest, ClientCredentials, HttpRequest, Profile, Target

# The vendor's example has a short secret.
pytestmark = pytest.mark.filterwarnings("ignore:The HMAC key")
REQUEST = HttpRequest("POST", "https://p.test/x?alt=sse", {"A": "b"}, b"{}")
# From the facts, made by the vendor's own library.
VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04ifQ.eyJhcGlfa2V5IjoiYWJjIiwiZXhwIjoxNzk1MDAwMjEw"
    "MDAwLCJ0aW1lc3RhbXAiOjE3OTUwMDAwMDAwMDB9.ldFof9wZa60sK7toaH8SttGyWe6dwvTIrMG22hawJQw"
)


def test_the_key_goes_where_the_provider_looks() -> None:
    assert Bearer().sign(REQUEST, "k").headers == {"A": "b", "Authorization": "Bearer k"}
    assert Header("api-key").sign(REQUEST, "k").headers == {"A": "b", "api-key": "k"}
    assert QueryKey("key").sign(REQUEST, "a&b").url == "https://p.test/x?alt=sse&key=a%26b"
    plain = replace(REQUEST, url="https://p.test/x")
    assert QueryKey("key").sign(plain, "k").url == "https://p.test/x?key=k"


def test_a_signed_token_is_the_vendors_own() -> None:
    token = SignedToken(now_s=lambda: 1795000000.0).token("abc.s3cret")
    wanted_head, wanted_payload, _signature = VECTOR.split(".")
    head, payload, _signature = token.split(".")
    assert read_part(head) == read_part(wanted_head)
    assert read_part(payload) == read_part(wanted_payload)
    # "exp" is in milliseconds there, which no library expects.
    options = {"verify_exp": False}
    for each in (token, VECTOR):
        assert jwt.decode(each, "s3cret", algorithms=["HS256"], options=options)


def read_part(part: str) -> object:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.parametrize("key", ["", "abc", "abc.", ".s3cret"])
def test_a_key_of_another_form_cannot_sign(key: str) -> None:
    with pytest.raises(Authentication):
        SignedToken().token(key)


@pytest.mark.parametrize("name", ["", "basic", "header", "header:", "query:", "bearer:x"])
def test_an_unknown_way_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="unknown"):
        auth_of(name)


@pytest.mark.parametrize(
    ("way", "shown"),
    [
        ("bearer", "Bearer id.secret"),
        ("header:x-litellm-api-key", "id.secret"),
        ("query:access_token", "access_token=id.secret"),
        ("jwt", "Bearer ey"),
    ],
)
def test_a_profile_names_the_way(way: str, shown: str) -> None:
    profile = Profile(auth=way, headers={"OpenAI-Project": "p"})
    target = Target("anthropic", "https://p.test", "id.secret", "m", False, profile=profile)
    sent = ADAPTERS["anthropic"].chat(target, ChatRequest("m", [{"role": "user", "content": "x"}]))
    assert shown in f"{sent.url} {list(sent.headers.values())}"
    assert sent.headers["OpenAI-Project"] == "p" and "x-api-key" not in sent.headers


def test_no_key_shows_nothing() -> None:
    target = Target("ollama", "http://localhost:11434", "", "m", True)
    assert "Authorization" not in ADAPTERS["ollama"].models(target).headers
    target = replace(target, api_key="k", profile=Profile(auth="none"))
    assert "k" not in ADAPTERS["ollama"].models(target).headers.values()


CREDENTIALS = ClientCredentials("https://id.test/token", "me", "s:cret")


def test_a_token_is_asked_for_in_three_ways() -> None:
    basic = token_request(CREDENTIALS)
    assert basic.body == b"grant_type=client_credentials"
    pair = base64.b64decode(basic.headers["Authorization"].removeprefix("Basic "))
    assert pair == b"me:s%3Acret"
    body = token_request(replace(CREDENTIALS, style="body", scope="a b"))
    assert body.body == (
        b"grant_type=client_credentials&scope=a+b&client_id=me&client_secret=s%3Acret"
    )
    query = token_request(replace(CREDENTIALS, style="query"))
    wanted = "grant_type=client_credentials&client_id=me&client_secret=s%3Acret"
    assert query.url == f"https://id.test/token?{wanted}" and query.body == b""
    assert "s:cret" not in repr(CREDENTIALS)


def test_a_token_is_kept_until_shortly_before_its_end() -> None:
    now = 1000.0
    cache = TokenCache(clock=lambda: now)
    assert cache.get(CREDENTIALS) is None
    assert cache.put(CREDENTIALS, b'{"access_token":"t","expires_in":3600}') == "t"
    now += 3239
    assert cache.get(CREDENTIALS) == "t"
    assert cache.get(replace(CREDENTIALS, client_secret="new")) is None
    now += 2
    assert cache.get(CREDENTIALS) is None
    cache.put(CREDENTIALS, b'{"access_token":"t","expires_in":2592000}')
    now += 2592000 - 3601
    assert cache.get(CREDENTIALS) == "t", "an hour early, where it lives for a month"
    cache.forget(CREDENTIALS, "older")
    assert cache.get(CREDENTIALS) == "t", "somebody else has fetched this one since"
    cache.forget(CREDENTIALS, "t")
    assert cache.get(CREDENTIALS) is None


def test_kept_tokens_stay_bounded() -> None:
    cache = TokenCache()
    cache.MAX_TOKENS = 3
    for n in range(10):
        cache.put(replace(CREDENTIALS, client_id=str(n)), b'{"access_token":"t"}')
    assert len(cache._tokens) == 3


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"error":"invalid_client","error_description":"s:cret"}', Authentication),
        (b"{}", Authentication),
        (b'{"access_token":""}', Authentication),
        (b'{"access_token":"a\\r\\nX-Evil: b"}', Authentication),
        (b"<html>", InvalidAnswer),
        (b"[]", InvalidAnswer),
    ],
)
def test_no_token_is_an_error(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        TokenCache().put(CREDENTIALS, body)
    assert "s:cret" not in str(caught.value)
