"""Anthropic's answers made from events."""

from typing import Any

import orjson

from providers.errors import Overloaded, Unavailable
from providers.gateway.message_compose import MessageAnswer, MessageStream
from providers.gateway.message_passthrough import ForwardedMessages
from providers.gateway.records import Call
from providers.tests.wire import body_of
from providers.types import (
    Event,
    Finish,
    ProviderState,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)

STATE = ProviderState("gemini", 1, "gemini-3", {"calls": ["s"]})
MIXED: tuple[Event, ...] = (
    ThinkingDelta("hm"),
    TextDelta("I look."),
    ToolCallDelta(0, "c1", "weather"),
    ToolCallDelta(0, arguments='{"city": '),
    ToolCallDelta(1, "c2", "time", "{}"),
    ToolCallDelta(0, arguments='"Lyon"}'),
    TextDelta(" Late."),
    Usage(9, 3, cached_tokens=4, cache_write_tokens=2),
    Finish("tool_calls"),
    STATE,
)


def call() -> Call:
    return Call(user_id=1, key_id=1, estimated_prompt=5)


def streamed(*events: Event) -> list[dict[str, Any]]:
    stream = MessageStream("msg_1", "m", call())
    raw = stream.start() + b"".join(stream.feed(event) for event in events) + stream.finish()
    found = []
    for lines in raw.strip().split(b"\n\n"):
        name, data = lines.split(b"\n")
        found.append(orjson.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + found[-1]["type"].encode()
    return found


def test_blocks_come_one_after_the_other_whatever_comes_mixed() -> None:
    events = streamed(*MIXED)
    opened: list[int] = []
    blocks: dict[int, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert not opened and event["index"] == len(blocks)
            opened.append(event["index"])
            blocks[event["index"]] = event["content_block"] | {"pieces": ""}
        elif event["type"] == "content_block_delta":
            assert opened == [event["index"]]
            delta = event["delta"]
            blocks[event["index"]]["pieces"] += next(v for k, v in delta.items() if k != "type")
        elif event["type"] == "content_block_stop":
            opened.remove(event["index"])
    shown = [(block["type"], block["pieces"]) for block in blocks.values()]
    assert shown == [
        *(("thinking", "hm"), ("text", "I look."), ("tool_use", '{"city": "Lyon"}')),
        *(("text", " Late."), ("tool_use", "{}"), ("redacted_thinking", "")),
    ]
    assert [event["type"] for event in events[:2]] == ["message_start", "ping"]
    assert events[0]["message"]["usage"]["input_tokens"] == 5
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "cache_read_input_tokens": 4,
        "output_tokens": 3,
    }


def test_a_whole_answer() -> None:
    answer = MessageAnswer("msg_1", "m", call())
    for event in MIXED:
        answer.feed(event)
    body = orjson.loads(answer.body())
    kinds = [block["type"] for block in body["content"]]
    assert kinds == ["thinking", "text", "tool_use", "tool_use", "redacted_thinking"]
    assert body["content"][2]["input"] == {"city": "Lyon"} and body["stop_reason"] == "tool_use"


def test_bytes_pass_whole_however_they_are_cut() -> None:
    raw = body_of("anthropic_thinking_tool")
    for size in (1, 7, len(raw)):
        counted = call()
        stream = ForwardedMessages(counted)
        pieces = [stream.feed(raw[at : at + size]) for at in range(0, len(raw), size)]
        assert b"".join(pieces) + stream.finish() == raw
        assert counted.usage is not None and counted.usage.prompt_tokens == 120
        assert counted.finish_reason == "tool_calls"


def test_a_cut_or_failing_stream_is_no_answer() -> None:
    stream = ForwardedMessages(call())
    assert b"error" not in stream.feed(body_of("anthropic_stream_error"))
    assert isinstance(stream.failure, Overloaded)
    cut = ForwardedMessages(call())
    cut.feed(body_of("anthropic_thinking_tool")[:600])
    try:
        cut.finish()
    except Unavailable:
        return
    raise AssertionError("a cut stream has no end")
