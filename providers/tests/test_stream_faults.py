"""What goes wrong on the way, on every dialect: nothing is lost, doubled or shown as complete."""

import json
from collections.abc import Callable, Iterator

import pytest

from providers.adapters.reading import BAD_EVENTS_IN_A_ROW
from providers.tests.wire import EXAMPLES, KINDS, Read, body_of, read

# A plain stream of each dialect, and where in it the end begins to be told.
STREAMS = {
    "openai_text": b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795000000'
    b',"model":"m-1","choices":[{"index":0,"delta":{},',
    "responses_tool": b"event: response.completed",
    "anthropic_thinking_tool": b"event: message_delta",
    "gemini_thinking_tool": b'data: {"candidates":[{"content":{"role":"model","parts":[{"functionC',
    "ollama_thinking_tool": b'{"model":"q:1","created_at":"2026-11-23T10:00:00.000000Z","message":'
    b'{"role":"assistant","content":""},"done":true',
    "cohere_text": b"event: message-end",
    "dify_chat": b'data: {"event":"message_end"',
}
EVERY = pytest.mark.parametrize("name", STREAMS)


def is_lines(name: str) -> bool:
    return name.startswith("ollama")


def events(name: str) -> list[bytes]:
    """The stream's events, each with its end."""
    end = b"\n" if is_lines(name) else b"\n\n"
    return [piece + end for piece in body_of(name).split(end) if piece]


def garbage(name: str, text: str) -> bytes:
    return f"{text}\n".encode() if is_lines(name) else f"data: {text}\n\n".encode()


def same(found: Read, name: str) -> None:
    wanted = EXAMPLES[name]["expect"]
    assert found.error is None
    assert (found.text, found.finish) == (wanted["text"], wanted["finish"])
    assert found.reasoning == wanted.get("reasoning", "")


def with_between(name: str, extra: bytes) -> bytes:
    return extra + b"".join(event + extra for event in events(name))


def test_every_dialect_is_here() -> None:
    assert {EXAMPLES[name]["dialect"] for name in STREAMS} == KINDS.keys()


@EVERY
def test_a_stream_without_its_end_is_not_complete(name: str) -> None:
    body = body_of(name)
    at = body.index(STREAMS[name])
    for cut in range(at, min(at + 40, len(body))):
        found = read(name, [body[:cut]])
        assert found.error is not None and found.error.code == "incomplete"
        assert found.finish is None
        assert found.text == EXAMPLES[name]["expect"]["text"], "what came is kept"


@EVERY
def test_a_cut_anywhere_is_seen(name: str) -> None:
    """Once the reason was told, the answer is complete; before, never."""
    body = body_of(name)
    for cut in range(len(body)):
        found = read(name, [body[:cut]])
        assert (found.error is None) == (found.finish is not None)
        assert found.error is None or found.error.code in ("incomplete", "invalid_answer")
        assert EXAMPLES[name]["expect"]["text"].startswith(found.text)


@EVERY
def test_single_bad_events_are_skipped(name: str) -> None:
    for text in ("{not json", "[]", '"text"', "null", "3", "", "   "):
        same(read(name, [with_between(name, garbage(name, text))]), name)


@EVERY
def test_many_bad_events_are_an_error(name: str) -> None:
    bad = garbage(name, "{not json")
    first = events(name)[0]
    nearly = first + bad * (BAD_EVENTS_IN_A_ROW - 1) + b"".join(events(name)[1:])
    same(read(name, [nearly]), name)
    found = read(name, [first + bad * BAD_EVENTS_IN_A_ROW + b"".join(events(name)[1:])])
    assert found.error is not None and found.error.code == "invalid_answer"


@EVERY
@pytest.mark.parametrize(
    "extra", [b": keep-alive\n\n", b"event: ping\n\n", b"id: 1\nretry: 5\n\n", b"\n\n", b"data\n\n"]
)
def test_comments_and_pings_mean_nothing(name: str, extra: bytes) -> None:
    if is_lines(name):
        extra = b"\n"
    same(read(name, [with_between(name, extra)]), name)


@EVERY
def test_unknown_events_mean_nothing(name: str) -> None:
    text = '{"type":"news","event":"news","x":[1]}'
    same(read(name, [with_between(name, garbage(name, text))]), name)


@EVERY
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_other_line_ends(name: str, end: bytes) -> None:
    body = body_of(name).replace(b"\n", end)
    same(read(name, [body]), name)
    same(read(name, [bytes([byte]) for byte in body]), name)


@EVERY
def test_a_byte_order_mark(name: str) -> None:
    same(read(name, [b"\xef\xbb\xbf" + body_of(name)]), name)


@EVERY
@pytest.mark.parametrize(
    "body", [b"<html><body>Welcome</body></html>", b"", b"\n\n", b"{}", b"[1]", b"OK", b"\xff\xfe"]
)
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_page_with_200_is_no_answer(name: str, body: bytes, is_stream: bool) -> None:
    found = read(name, [body], is_stream=is_stream)
    assert found.error is not None and found.error.code == "invalid_answer"
    assert found.finish is None and not found.text


@EVERY
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_plain_error_with_200_is_that_error(name: str, is_stream: bool) -> None:
    body = b'{\n "error": {"message": "insufficient balance", "code": 402}\n}'
    found = read(name, [body], is_stream=is_stream)
    assert found.error is not None and found.error.code == "no_money"


@EVERY
def test_an_error_in_the_middle_keeps_what_came(name: str) -> None:
    bad = garbage(name, '{"error":{"message":"boom","code":503},"type":"error"}')
    found = read(name, [b"".join(events(name)[:-2]) + bad + b"".join(events(name)[-2:])])
    assert found.error is not None and found.error.code == "overloaded"
    assert found.error.upstream_status == 503


@EVERY
def test_a_line_without_end_is_refused(name: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield body_of(name)[:20]
        for _each in range(100):
            yield b"x" * 100_000
        raise AssertionError("it was read to its end")

    found = read(name, pieces())
    assert found.error is not None and found.error.code == "invalid_answer"


@EVERY
def test_an_answer_has_a_greatest_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("providers.adapters.reading.MAX_ANSWER_CHARS", 300)
    found = read(name, [body_of(name)])
    assert found.error is not None and found.error.code == "invalid_answer"


@EVERY
def test_odd_line_breaks_inside_json_are_text(name: str) -> None:
    """U+2028 and its like end no line; invalid bytes become one mark each."""
    odd = "\u2028\u2029\u0085\u000b"
    spoken = {
        **{"openai_text": "你好", "cohere_text": "Hel", "dify_chat": "Hel"},
        "responses_tool": "I look it ",
    }.get(name, "I look it up.")
    # JSON takes the first three as they are; a vertical tab only escaped.
    written = spoken + odd[:3] + "\\u000b"
    body = body_of(name).replace(spoken.encode(), written.encode(), 1)
    for pieces in ([body], [bytes([byte]) for byte in body]):
        found = read(name, pieces)
        assert found.text == EXAMPLES[name]["expect"]["text"].replace(spoken, spoken + odd)
    body = body_of(name).replace(spoken.encode(), spoken.encode() + b"\xff\xc3", 1)
    assert read(name, [body]).text.count("\ufffd") == 2


NUMBERS = ("_tokens", "TokenCount", "eval_count")


def with_counts(name: str, change: Callable[[object], object]) -> bytes:
    """The stream with every token count changed."""

    def walk(value: object) -> object:
        if isinstance(value, dict):
            return {
                k: change(v) if isinstance(v, int) and k.endswith(NUMBERS) else walk(v)
                for k, v in value.items()
            }
        return [walk(each) for each in value] if isinstance(value, list) else value

    lines = []
    for line in body_of(name).decode().split("\n"):
        head = "data: " if line.startswith("data: ") else ""
        rest = line.removeprefix("data: ")
        is_json = rest.startswith("{")
        lines.append(head + json.dumps(walk(json.loads(rest))) if is_json else line)
    return "\n".join(lines).encode()


@EVERY
@pytest.mark.parametrize("value", [None, -5, "12", 1.5, True, {}, []])
def test_strange_counts_are_unknown(name: str, value: object) -> None:
    found = read(name, [with_counts(name, lambda _count: value)])
    same(found, name)
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (None, None)
    assert found.usage.total_tokens is None and found.usage.cached_tokens is None


def openai(*chunks: object) -> Read:
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return read("openai_text", [body.encode()])


def test_usage_is_the_last_that_was_told() -> None:
    def usage(n: int) -> dict[str, int]:
        return {"prompt_tokens": 8, "completion_tokens": n, "total_tokens": 8 + n}

    found = openai(
        {"choices": [], "usage": usage(0)},
        {"choices": [{"delta": {"content": "a"}, "usage": usage(1)}], "usage": None},
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage(2)},
        {"choices": [], "x_groq": {"usage": usage(3)}},
    )
    assert found.usage is not None and found.usage.total_tokens == 11
    assert found.text == "a"


def test_reasoning_beside_the_answer_counts_as_output() -> None:
    """xAI: only the total tells that reasoning is not in the completion."""
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 18}
    usage["completion_tokens_details"] = {"reasoning_tokens": 10}  # type: ignore[assignment]
    found = openai({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage})
    assert found.usage is not None and found.usage.completion_tokens == 13


@pytest.mark.parametrize(
    "chunk",
    [
        {"choices": None},
        {"choices": {}},
        {"choices": [None, 3, "x"]},
        {"choices": [{"index": 1, "delta": {"content": "other"}}]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": "text"}]},
        {"choices": [{"delta": {"content": None, "tool_calls": None, "reasoning": None}}]},
        {"choices": [{"delta": {"content": {"a": 1}, "tool_calls": [None, {}], "reasoning": 3}}]},
        {"usage": []},
    ],
)
def test_chunks_of_a_strange_shape_say_nothing(chunk: object) -> None:
    end = {"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    found = openai(chunk, end)
    assert found.error is None and found.text == "hi"


def test_empty_choices_are_no_answer() -> None:
    found = openai({"choices": []}, {"choices": [], "usage": {"prompt_tokens": 1}})
    assert found.error is not None and found.error.code == "invalid_answer"


def test_calls_with_one_id_stay_two() -> None:
    calls = [
        {"index": n, "id": "same", "function": {"name": "f", "arguments": f'{{"n":{n}}}'}}
        for n in (0, 1)
    ]
    found = openai({"choices": [{"delta": {"tool_calls": calls}, "finish_reason": "tool_calls"}]})
    assert [call["arguments"] for call in found.calls.values()] == ['{"n":0}', '{"n":1}']


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    found = openai({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]}, "x")
    assert found.error is not None and found.error.code == "incomplete"
    found = openai({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "stop"}]})
    assert found.calls[0]["arguments"] == "{}" and found.finish == "tool_calls"


def test_a_whole_answer_where_a_stream_was_promised_is_read() -> None:
    body = json.dumps(EXAMPLES["openai_blocking"]["response"]).encode()
    found = read("openai_text", [body], is_stream=True)
    assert (found.text, found.finish, found.error) == ("A cat.", "stop", None)
