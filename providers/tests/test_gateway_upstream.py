"""The gateway before a provider of the OpenAI dialect that behaves, and one that does not."""

import json
from typing import Any

import httpx
import openai
import pytest

from accounts.models import User
from providers.models import Provider, ProviderModel
from providers.services import publish_model
from providers.tests.conftest import MakeKey, Records
from providers.tests.stand_in import LEAK, STREAMS, USAGE, StandIn

HELLO = [{"role": "user", "content": "hello there"}]


def streamed(sdk: Any, **fields: Any) -> list[Any]:
    wanted = {"model": "m", "messages": HELLO, "stream": True} | fields
    return list(sdk.chat.completions.create(**wanted))


def text_of(chunks: list[Any], name: str = "content") -> str:
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    return "".join(getattr(delta, name, None) or "" for delta in deltas)


def test_bytes_pass_through_with_our_defaults(
    sdk: Any, remote: Provider, stand_in: StandIn, recorded: Records
) -> None:
    ProviderModel.objects.update(temperature=0.25, system_prompt="Be kind.")
    raw = sdk.chat.completions.with_raw_response.create(model="up/m", messages=HELLO, seed=3)
    assert raw.parse().choices[0].message.content == "hi"
    assert raw.headers["x-platform-model"] == "up/m"
    [sent] = stand_in.seen
    assert (sent["model"], sent["temperature"], sent["seed"]) == ("m", 0.25, 3)
    assert sent["messages"] == [{"role": "system", "content": "Be kind."}, *HELLO]
    assert stand_in.headers[0]["authorization"] == "Bearer sk-stored-key-12345"
    own = [{"role": "developer", "content": "Mine."}, *HELLO]
    sdk.chat.completions.create(model="m", messages=own, temperature=1)
    assert stand_in.seen[1]["messages"] == own and stand_in.seen[1]["temperature"] == 1
    for row in recorded(2):
        assert (row.prompt_tokens, row.completion_tokens) == (9, 3)
        assert (row.cached_tokens, row.reasoning_tokens, row.is_estimated) == (4, 1, False)


def test_nothing_of_the_callers_request_but_the_body_goes_on(
    live_url: str, remote: Provider, stand_in: StandIn, make_key: MakeKey
) -> None:
    key = make_key()
    headers = {"authorization": f"Bearer {key}", "cookie": "a=b", "x-secret": "s", "referer": "r"}
    body = {"model": "m", "messages": HELLO}
    httpx.post(f"{live_url}/v1/chat/completions", json=body, headers=headers)
    assert key not in json.dumps(stand_in.headers[0])
    assert not {"cookie", "x-secret", "referer", "x-request-id"} & stand_in.headers[0].keys()


def test_a_stream_passes_as_it_is(
    live_url: str, remote: Provider, make_key: MakeKey, stand_in: StandIn, recorded: Records
) -> None:
    headers = {"authorization": f"Bearer {make_key()}"}
    body: dict[str, Any] = {"model": "m", "messages": HELLO, "stream": True}
    url = f"{live_url}/v1/chat/completions"
    wanted = body | {"stream_options": {"include_usage": True}}
    answer = httpx.post(url, json=wanted, headers=headers)
    assert answer.content == STREAMS["ok"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-platform-model"] == "up/m"
    unasked = httpx.post(url, json=body, headers=headers)
    assert b"usage" not in unasked.content and unasked.content.endswith(b"data: [DONE]\n\n")
    assert all(sent["stream_options"] == {"include_usage": True} for sent in stand_in.seen)
    assert [row.completion_tokens for row in recorded(2)] == [3, 3]


@pytest.mark.parametrize(
    ("mode", "text", "thought"),
    [
        ("ok", "one two three", ""),
        ("bare", "hi", ""),
        ("reasoning", "4", "two and two"),
        ("think", "<think>hm</think>yes", ""),
        ("no-done", "whole", ""),
        ("noise", "ok", ""),
        ("separators", "a\u2028b\u0085c", ""),
        ("bytes", "你好 world", ""),
    ],
)
def test_odd_streams_are_read_right(
    sdk: Any, remote: Provider, stand_in: StandIn, mode: str, text: str, thought: str
) -> None:
    stand_in.mode = mode
    chunks = streamed(sdk)
    assert text_of(chunks) == text and text_of(chunks, "reasoning_content") == thought
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert all(chunk.id and chunk.model and chunk.created for chunk in chunks)
    assert len({chunk.id for chunk in chunks}) == 1


@pytest.mark.parametrize("mode", ["no-usage", "bare"])
def test_missing_usage_is_estimated_and_says_so(
    sdk: Any, remote: Provider, stand_in: StandIn, mode: str, recorded: Records
) -> None:
    stand_in.mode = mode
    chunks = streamed(sdk, stream_options={"include_usage": True})
    assert chunks[-1].choices == [] and chunks[-1].usage.estimated is True
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in streamed(sdk))
    for row in recorded(2):
        assert row.is_estimated and row.completion_tokens and row.prompt_tokens


def test_our_own_deployments_answer_the_sdk(
    sdk: Any, stand_in: StandIn, alice: User, settings: Any
) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    publish_model(name="mine", base_url=stand_in.url, api_key="k", model_id="mine", owner=alice)
    stand_in.mode = "bare"
    answer = sdk.chat.completions.create(model="mine", messages=HELLO, max_completion_tokens=5)
    assert answer.object == "chat.completion" and answer.id and answer.created
    assert answer.choices[0].message.content == "hi" and answer.choices[0].index == 0
    assert text_of(streamed(sdk, model="mine")) == "hi"
    assert "stream_options" not in stand_in.seen[1]
    assert stand_in.seen[0]["max_tokens"] == 5
    image = {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}
    with pytest.raises(openai.BadRequestError):
        sdk.chat.completions.create(model="mine", messages=[{"role": "user", "content": [image]}])
    assert len(stand_in.seen) == 2


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("401", 502, "authentication"),
        ("403", 502, "forbidden"),
        ("429", 429, "rate_limit_exceeded"),
        ("429-date", 429, "rate_limit_exceeded"),
        ("500", 502, "unavailable"),
        ("redirect", 502, "upstream_redirect"),
        ("html", 502, "invalid_answer"),
        ("empty", 502, "invalid_answer"),
        ("error-event", 502, "unavailable"),
    ],
)
def test_faults_have_one_vocabulary(
    sdk: Any,
    remote: Provider,
    stand_in: StandIn,
    recorded: Records,
    mode: str,
    status: int,
    code: str,
) -> None:
    stand_in.mode = mode
    for is_stream in (False, True):
        if mode == "error-event" and is_stream:
            continue  # there the status is out before the error comes
        with pytest.raises(openai.APIStatusError) as error:
            sdk.chat.completions.create(model="m", messages=HELLO, stream=is_stream)
        assert (error.value.status_code, error.value.code) == (status, code)
        assert LEAK not in error.value.response.text
        assert error.value.response.headers["x-platform-model"] == "up/m"
        wait = error.value.response.headers.get("retry-after")
        assert wait == {"429": "7", "429-date": "3600"}.get(mode)
    for row in recorded(len(stand_in.seen)):
        assert row.status == "failed" and row.error_code in (code, "rate_limited")
        assert row.prompt_tokens is None


@pytest.mark.parametrize("mode", ["not-json", "list", "minimax"])
def test_unreadable_answers(sdk: Any, remote: Provider, stand_in: StandIn, mode: str) -> None:
    stand_in.mode = mode
    with pytest.raises(openai.APIStatusError) as error:
        sdk.chat.completions.create(model="m", messages=HELLO, stream=mode == "minimax")
    assert error.value.code in ("invalid_answer", "no_money")


@pytest.mark.parametrize("mode", ["cut", "silent-end", "error-event", "long-line"])
def test_a_stream_that_breaks_is_not_complete(
    sdk: Any,
    live_url: str,
    remote: Provider,
    stand_in: StandIn,
    make_key: MakeKey,
    recorded: Records,
    mode: str,
) -> None:
    stand_in.mode = mode
    headers = {"authorization": f"Bearer {make_key()}"}
    body = {"model": "m", "messages": HELLO, "stream": True}
    answer = httpx.post(f"{live_url}/v1/chat/completions", json=body, headers=headers)
    if mode == "long-line":  # nothing had come before
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "invalid_answer")
    else:
        last = answer.text.strip().rsplit("\n\n", 1)[-1].removeprefix("data: ")
        assert json.loads(last)["error"]["code"] == "unavailable"
        assert "[DONE]" not in answer.text and LEAK not in answer.text
    with pytest.raises(openai.APIError):
        streamed(sdk)
    expected = "failed" if mode == "long-line" else "interrupted"
    assert [row.status for row in recorded(2)] == [expected] * 2


def test_ten_unreadable_events_end_the_stream(
    sdk: Any, remote: Provider, stand_in: StandIn
) -> None:
    stand_in.mode = "garbage"
    with pytest.raises(openai.APIStatusError) as error:
        streamed(sdk)
    assert error.value.code == "invalid_answer"


def test_leaving_reaches_the_upstream_and_counts_what_came(
    sdk: Any, remote: Provider, stand_in: StandIn, recorded: Records
) -> None:
    stand_in.mode = "endless"
    stream = sdk.chat.completions.create(model="m", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()
    assert stand_in.has_left.wait(timeout=1), "within a second"
    [row] = recorded(1)
    assert (row.status, row.error_code) == ("stopped", "client_left")
    assert row.completion_tokens and row.prompt_tokens and row.is_estimated


@pytest.mark.parametrize("is_stream", [False, True])
def test_leaving_before_the_first_byte_reaches_the_upstream(
    sdk: Any, remote: Provider, stand_in: StandIn, recorded: Records, is_stream: bool
) -> None:
    stand_in.mode = "hang"
    with pytest.raises(openai.APITimeoutError):
        sdk.chat.completions.create(model="m", messages=HELLO, stream=is_stream, timeout=0.5)
    assert stand_in.has_left.wait(timeout=1), "within a second"
    [row] = recorded(1)
    assert (row.status, row.prompt_tokens, row.ttft_ms) == ("stopped", None, None)


def test_private_addresses_stay_refused(
    sdk: Any, remote: Provider, stand_in: StandIn, settings: Any
) -> None:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = False
    Provider.objects.update(base_url=f"http://localhost:{stand_in.port}/v1")
    with pytest.raises(openai.APIStatusError) as error:
        sdk.chat.completions.create(model="m", messages=HELLO)
    assert error.value.code == "unavailable"
    assert stand_in.seen == []


def test_usage_is_where_providers_put_it(
    sdk: Any,
    remote: Provider,
    stand_in: StandIn,
    recorded: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    end = {"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}
    for position, chunk in enumerate(
        (
            base | {"choices": [end | {"usage": USAGE}]},
            base | {"choices": [end], "x_groq": {"usage": USAGE}},
            base | {"choices": [end], "usage": USAGE},
        )
    ):
        monkeypatch.setitem(STREAMS, "odd", f"data:{json.dumps(chunk)}\r\n\r\n".encode())
        stand_in.mode = "odd"
        assert text_of(streamed(sdk)) == "x"
        assert recorded(position + 1)[position].completion_tokens == 3


@pytest.mark.parametrize("api", ["chat/completions", "messages"])
def test_a_stream_ends_with_its_end_mark(
    live_url: str,
    remote: Provider,
    stand_in: StandIn,
    make_key: MakeKey,
    recorded: Records,
    api: str,
) -> None:
    """Though the provider keeps its answer open."""
    stand_in.mode = "open"
    headers = {"authorization": f"Bearer {make_key()}"}
    body = {"model": "m", "messages": HELLO, "stream": True, "max_tokens": 9}
    answer = httpx.post(f"{live_url}/v1/{api}", json=body, headers=headers, timeout=30)
    assert "three" in answer.text and ("[DONE]" in answer.text or "message_stop" in answer.text)
    assert stand_in.has_left.wait(timeout=30)
    [row] = recorded(1)
    assert (row.status, row.completion_tokens) == ("done", 3)


def test_names_without_control_characters_only(
    live_url: str, remote: Provider, make_key: MakeKey, recorded: Records
) -> None:
    headers = {"authorization": f"Bearer {make_key()}"}
    for api in ("chat/completions", "messages", "embeddings", "rerank"):
        body = {"model": "no\0such", "messages": HELLO, "max_tokens": 1, "input": "a"}
        body |= {"query": "a", "documents": ["b"]}
        answer = httpx.post(f"{live_url}/v1/{api}", json=body, headers=headers)
        assert answer.status_code == 400 and "control characters" in answer.text, api
    assert len(recorded(4)) == 4


def test_a_refused_call_has_the_name_of_its_model(
    live_url: str, remote: Provider, make_key: MakeKey, recorded: Records
) -> None:
    headers = {"authorization": f"Bearer {make_key(rpm=1)}"}
    body = {"model": "up/m", "messages": HELLO}
    url = f"{live_url}/v1/chat/completions"
    statuses = [httpx.post(url, json=body, headers=headers).status_code for _each in range(2)]
    assert statuses == [200, 429]
    assert {row.model_label for row in recorded(2)} == {"m"}
