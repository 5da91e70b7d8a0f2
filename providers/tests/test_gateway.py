"""The gateway with the official SDK: who may call what, bad input, limits, records."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from accounts.models import User
from providers.models import Provider, ProviderModel
from providers.services import create_provider
from providers.tests.conftest import MakeKey, Records

HELLO = [{"role": "user", "content": "hello there"}]
BODY = {"model": "echo", "messages": HELLO}


def post(url: str, key: str = "", body: Any = BODY, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if key:
        named["authorization"] = f"Bearer {key}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return httpx.post(f"{url}/v1/chat/completions", content=content, headers=named, timeout=30)


def test_the_sdk_talks_to_echo(sdk: Any, echo: Provider, alice: User, recorded: Records) -> None:
    answer = sdk.chat.completions.create(model="echo", messages=HELLO)
    assert answer.choices[0].message.content == "hello there"
    assert answer.object == "chat.completion" and answer.usage.completion_tokens > 0
    [row] = recorded(1)
    assert (row.user, row.source, row.status, row.model_label) == (alice, "gateway", "done", "echo")
    assert row.api_key is not None and row.api_key.last_used_at is not None
    assert row.model is not None and row.provider_label == "echo"
    assert row.prompt_tokens and row.completion_tokens and not row.is_estimated
    assert row.duration_ms is not None and row.ttft_ms is not None and row.error_code == ""


def test_the_sdk_streams_thoughts_and_text(sdk: Any, echo: Provider) -> None:
    stream = sdk.chat.completions.create(
        model="echo/echo",
        messages=[{"role": "user", "content": "/think why"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "why"
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == [] and chunks[-1].usage.total_tokens > 0
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}


def test_a_thought_comes_apart_unstreamed_too(sdk: Any, echo: Provider) -> None:
    answer = sdk.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "/think why"}]
    )
    message = answer.choices[0].message
    assert message.content == "why" and "characters" in message.reasoning_content


def test_model_defaults_apply_where_the_caller_said_nothing(sdk: Any, echo: Provider) -> None:
    ProviderModel.objects.update(max_tokens=2)
    words = [{"role": "user", "content": "one two three four"}]
    short = sdk.chat.completions.create(model="echo", messages=words)
    assert short.choices[0].finish_reason == "length"
    for name in ("max_tokens", "max_completion_tokens"):
        long = sdk.chat.completions.create(model="echo", messages=words, **{name: 9})
        assert long.choices[0].message.content == "one two three four"


def test_models_are_listed_for_their_user_alone(
    sdk: Any, sdk_for: Callable[..., Any], echo: Provider, bob: User, make_key: MakeKey
) -> None:
    [model] = sdk.models.list()
    assert (model.id, model.object, model.owned_by) == ("echo", "model", "echo")
    assert sdk.models.retrieve("echo/echo").id == "echo"
    stranger = sdk_for(make_key(bob))
    assert list(stranger.models.list()) == []
    for call in (
        lambda: stranger.models.retrieve("echo/echo"),
        lambda: stranger.chat.completions.create(model="echo", messages=HELLO),
        lambda: stranger.chat.completions.create(model="nothing", messages=HELLO),
    ):
        with pytest.raises(openai.NotFoundError) as error:
            call()
        assert error.value.code == "model_not_found" and error.value.param == "model"


def test_a_shared_model_is_everybodys(
    sdk_for: Callable[..., Any], admin_user: User, bob: User, make_key: MakeKey
) -> None:
    create_provider(actor=admin_user, preset="echo", name="公司", is_shared=True)
    stranger = sdk_for(make_key(bob))
    answer = stranger.chat.completions.with_raw_response.create(model="公司/echo", messages=HELLO)
    assert answer.headers["x-platform-model"] == "%E5%85%AC%E5%8F%B8/echo"


def test_an_ambiguous_name_names_the_choices(sdk: Any, echo: Provider, alice: User) -> None:
    for name in ("other", "echo"):
        create_provider(actor=alice, preset="echo", name=name)
    ids = {model.id for model in sdk.models.list()}
    assert "other/echo" in ids and len(ids) == 3
    with pytest.raises(openai.BadRequestError, match="other/echo") as error:
        sdk.chat.completions.create(model="echo", messages=HELLO)
    assert error.value.code == "ambiguous_model"
    with pytest.raises(openai.BadRequestError, match=f"echo#{echo.pk}/echo"):
        sdk.chat.completions.create(model="echo/echo", messages=HELLO)
    for name in ids:
        assert sdk.chat.completions.create(model=name, messages=HELLO).choices


def test_a_model_that_does_not_chat_says_so(sdk: Any, echo: Provider) -> None:
    ProviderModel.objects.update(main_type="embedding", types=["embedding"])
    with pytest.raises(openai.BadRequestError) as error:
        sdk.chat.completions.create(model="echo", messages=HELLO)
    assert error.value.code == "model_not_chat"


def test_two_different_keys_are_refused(live_url: str, echo: Provider, make_key: MakeKey) -> None:
    good, limited = make_key(), make_key(allowed_models=["other/echo"])
    assert post(live_url, good, x_api_key=good).status_code == 200
    answer = post(live_url, good, x_api_key=limited)
    assert answer.status_code == 401 and "two different keys" in answer.text


def test_many_equal_headers_change_nothing(
    live_url: str, echo: Provider, make_key: MakeKey
) -> None:
    padding = [("x-padding", "1")] * 500
    key = make_key()
    for headers, expected in (
        ([*padding, ("x-api-key", key)], 200),
        ([*padding, ("x-api-key", key), ("x-api-key", "other")], 401),
        ([*padding, ("authorization", "Bearer other"), ("authorization", f"Bearer {key}")], 401),
    ):
        assert httpx.get(f"{live_url}/v1/models", headers=headers).status_code == expected


def test_requests_per_minute(
    live_url: str, echo: Provider, make_key: MakeKey, recorded: Records
) -> None:
    key = make_key(rpm=2)
    answers = [post(live_url, key) for _each in range(2)]
    answers.append(post(live_url, x_api_key=key))
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert answers[1].headers["x-ratelimit-remaining-requests"] == "0"
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"
    headers = {"authorization": f"Bearer {key}"}
    for path in ("/v1/models", "/v1/models/echo"):
        answer = httpx.get(live_url + path, headers=headers)
        assert answer.status_code == 200, "looking at models is no request"
        assert "x-ratelimit-limit-requests" not in answer.headers
    assert [row.status for row in recorded(3)] == ["done", "done", "refused"]
    assert post(live_url, make_key()).status_code == 200, "another key has its own count"


USER = {"role": "user", "content": "x"}
ECHO = {"model": "echo", "messages": [USER]}


def with_image(url: str) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": url}}
    return ECHO | {"messages": [{"role": "user", "content": [part]}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        *((raw, None) for raw in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"a": NaN}')),
        ('{"model": "echo"}'.encode("utf-16"), None),
        (b"[" * 100_000, None),
        (json.dumps(ECHO | {"user": "\ud800"}).encode(), None),
        ({"messages": [USER]}, "model"),
        (ECHO | {"model": 7}, "model"),
        ({"model": "echo"}, "messages"),
        (ECHO | {"messages": []}, "messages"),
        (ECHO | {"messages": "hi"}, "messages"),
        (ECHO | {"messages": ["hi"]}, "messages[0]"),
        (ECHO | {"messages": [USER, {"content": "x"}]}, "messages[1]"),
        (ECHO | {"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        (ECHO | {"messages": [{"role": "user", "content": [7]}]}, "messages[0].content"),
        (ECHO | {"messages": [{"role": "user", "content": [{"type": []}]}]}, "messages[0].content"),
        (ECHO | {"stream": "yes"}, "stream"),
        (ECHO | {"stream_options": 1}, "stream_options"),
        (ECHO | {"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        (ECHO | {"temperature": "hot"}, "temperature"),
        (ECHO | {"top_p": True}, "top_p"),
        (ECHO | {"max_tokens": 0}, "max_tokens"),
        (ECHO | {"max_tokens": "many"}, "max_tokens"),
        (ECHO | {"max_completion_tokens": 1.5}, "max_completion_tokens"),
        (ECHO | {"n": 2}, "n"),
        (ECHO | {"stop": 7}, "stop"),
        (ECHO | {"stop": ["a", None]}, "stop"),
        (ECHO | {"tools": {}}, "tools"),
        (ECHO | {"tools": ["weather"]}, "tools"),
        (ECHO | {"response_format": "json"}, "response_format"),
        (ECHO | {"api_base": "http://127.0.0.1:1/"}, "api_base"),
        *((with_image(url), "messages[0].content") for url in ("file:///etc/x", "http://[::1", "")),
    ],
)
def test_bad_bodies_are_named(
    live_url: str, echo: Provider, make_key: MakeKey, body: Any, param: str | None
) -> None:
    answer = post(live_url, make_key(), body, x_request_id="abc-1")
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["content-type"] == "application/json"


def test_odd_but_good_bodies(live_url: str, echo: Provider, make_key: MakeKey) -> None:
    key = make_key()
    for body in (
        with_image("data:image/png;base64,iVBORw0KGgo="),
        with_image("https://example.com/x.png"),
        ECHO | {"stream": None, "temperature": None, "user": "x", "n": 1},
        ECHO | {"messages": [{"role": "assistant", "content": None}, USER]},
    ):
        assert post(live_url, key, body).status_code == 200


def test_a_large_request_is_refused_before_it_is_read(
    live_url: str, echo: Provider, make_key: MakeKey, settings: Any, recorded: Records
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    key = make_key()
    headers = {"authorization": f"Bearer {key}"}
    url = f"{live_url}/v1/chat/completions"
    stated = httpx.post(url, content=b"x" * 1001, headers=headers)
    unstated = httpx.post(url, content=iter([b"x" * 600] * 2), headers=headers)
    for answer in (stated, unstated):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"
    assert [row.error_code for row in recorded(2)] == ["request_too_large"] * 2


def test_paths_and_methods(live_url: str, echo: Provider, make_key: MakeKey) -> None:
    headers = {"authorization": f"Bearer {make_key()}", "x-request-id": "not good!"}
    for method, path, expected in (
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/", 404),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models/echo", 405),
        ("OPTIONS", "/v1/models", 405),
        ("GET", "/v1/models/", 200),
    ):
        answer = httpx.request(method, f"{live_url}{path}", headers=headers)
        assert answer.status_code == expected, path
        assert len(answer.headers["x-request-id"]) == 32
        if expected != 200:
            assert answer.json()["error"]["type"] == "invalid_request_error"
        assert ("allow" in answer.headers) == (expected == 405)
        assert httpx.request(method, f"{live_url}{path}").status_code == 401
    assert httpx.get(f"{live_url}/v1x").status_code != 401, "only what is under /v1/"


def test_failures_are_recorded_too(
    live_url: str, echo: Provider, make_key: MakeKey, recorded: Records
) -> None:
    key = make_key()
    post(live_url, key, b"{")
    post(live_url, key, ECHO | {"model": "nothing"})
    post(live_url, key, ECHO | {"messages": [{"role": "user", "content": "/error"}]})
    rows = recorded(3)
    assert [row.status for row in rows] == ["refused", "refused", "failed"]
    assert [row.error_code for row in rows] == ["bad_request", "model_not_found", "overloaded"]
    assert [row.model_label for row in rows] == ["", "nothing", "echo"]
    assert all(row.prompt_tokens is None and row.completion_tokens is None for row in rows)


def test_the_keys_page_says_how_to_connect(
    alice: User, client_for: Callable[[User], Any], transactional_db: None
) -> None:
    page = client_for(alice).get("/accounts/keys/").content.decode()
    assert "http://testserver/v1/chat/completions" in page
