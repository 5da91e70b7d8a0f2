"""OpenAI's answers made from the events of any dialect."""

from typing import Any

import orjson
import pytest

from providers.gateway.compose import ComposedAnswer, ComposedStream, Identity
from providers.gateway.records import Call
from providers.types import (
    Citation,
    Event,
    Finish,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)

CALLS = (
    ToolCallDelta(0, "call_1", "weather"),
    ToolCallDelta(0, arguments='{"city": '),
    ToolCallDelta(1, "call_2", "time", "{}"),
    ToolCallDelta(0, arguments='"Lyon"}'),
    Finish("tool_calls"),
)


def whole(*events: Event) -> dict[str, Any]:
    answer = ComposedAnswer(Identity("id", "m"), Call(user_id=1, key_id=1))
    for event in events:
        answer.feed(event)
    body: dict[str, Any] = orjson.loads(answer.body())
    return body


def streamed(*events: Event) -> list[dict[str, Any]]:
    stream = ComposedStream(Identity("id", "m"), Call(user_id=1, key_id=1), wants_usage=True)
    raw = stream.start() + b"".join(stream.feed(event) for event in events) + stream.finish()
    lines = [line.removeprefix(b"data: ") for line in raw.split(b"\n\n") if line]
    assert lines.pop() == b"[DONE]"
    return [orjson.loads(line) for line in lines]


def test_tool_calls_are_put_together() -> None:
    choice = whole(*CALLS)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {
            "id": "call_1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Lyon"}'},
        },
        {"id": "call_2", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]


def test_tool_calls_are_streamed_in_pieces() -> None:
    chunks = streamed(*CALLS)
    pieces = [
        piece
        for chunk in chunks
        for choice in chunk["choices"]
        for piece in choice["delta"].get("tool_calls", ())
    ]
    assert pieces[0] == {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "weather", "arguments": ""},
    }
    assert pieces[1] == {"index": 0, "function": {"arguments": '{"city": '}}
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_what_a_provider_counted_is_passed_on() -> None:
    body = whole(ThinkingDelta("hm"), TextDelta("hi"), Usage(3, 2, cached_tokens=1), Finish("stop"))
    assert body["choices"][0]["message"]["reasoning_content"] == "hm"
    assert body["usage"] == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
    }


def test_what_has_no_place_in_openais_format_is_left_out() -> None:
    body = whole(TextDelta("bad"), TextReplaced("Sorry."), Citation("t", "x"), Finish("stop"))
    assert body["choices"][0]["message"]["content"] == "Sorry."
    assert body["usage"]["estimated"] is True


@pytest.mark.parametrize("reason", ["pause", "error", "something new", ""])
def test_reasons_are_those_that_clients_know(reason: str) -> None:
    assert whole(TextDelta("hi"), Finish(reason))["choices"][0]["finish_reason"] == "stop"
