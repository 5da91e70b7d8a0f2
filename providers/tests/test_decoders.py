"""Decoders on every way the bytes can be cut."""

import pytest

from providers.adapters.openai import OpenAIReader
from providers.errors import Incomplete, InvalidAnswer, ProviderError
from providers.sse import EventDecoder
from providers.thinking import ThinkSplitter
from providers.types import Event, Finish, TextDelta, ThinkingDelta, Usage

STREAM = (
    b': hello\r\n\r\ndata: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"<think>\\u8003"}}]}\r\rdata: '
    b'{"choices":[{"index":0,"delta":{"content":"\xe8\x99\x91</think>\\n\\n\xe2\x80\xa8\xe7\xad\x94"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}\n\ndata: [DONE]\n\n'
)


def read(*pieces: bytes) -> list[Event]:
    reader = OpenAIReader(is_stream=True)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + list(reader.finish())


def text(events: list[Event], kind: type[TextDelta] | type[ThinkingDelta]) -> str:
    return "".join(event.text for event in events if isinstance(event, kind))


def test_a_stream_means_the_same_however_it_is_cut() -> None:
    for cut in range(len(STREAM) + 1):
        events = read(STREAM[:cut], STREAM[cut:])
        assert text(events, ThinkingDelta) == "考虑"
        assert text(events, TextDelta) == "\u2028答"
        assert Usage(prompt_tokens=3, completion_tokens=5) in events
        assert Finish("stop") in events


def test_a_stream_means_the_same_byte_by_byte() -> None:
    events = read(*(bytes([byte]) for byte in STREAM))
    assert text(events, ThinkingDelta) == "考虑" and text(events, TextDelta) == "\u2028答"


def test_a_stream_that_just_closes_is_complete() -> None:
    end = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}'
    assert text(read(end), TextDelta) == "hi"


def test_a_stream_that_closes_before_its_reason_is_cut() -> None:
    with pytest.raises(Incomplete):
        read(b'data: {"choices":[{"delta":{"content":"hi"}}]}')


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"data: <html>\n\n", "invalid_answer"),
        (b"", "invalid_answer"),
        (b"data: []\n\n", "invalid_answer"),
        (b'data: {"error":{"message":"insufficient balance"}}\n\n', "no_money"),
        (b'data: {"error":{"message":"boom","code":429}}\n\n', "rate_limited"),
        (
            b'data: {"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}\n\n',
            "no_money",
        ),
    ],
)
def test_an_error_inside_a_200_is_an_error(body: bytes, code: str) -> None:
    with pytest.raises(ProviderError) as caught:
        read(body)
    assert caught.value.code == code


def test_unknown_usage_stays_unknown() -> None:
    chunk = b'{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":-1}}'
    reader = OpenAIReader(is_stream=False)
    list(reader.feed(chunk))
    assert Usage() in list(reader.finish())


def test_other_deviations_are_read() -> None:
    chunk = (
        b'{"choices":[{"message":{"reasoning_content":"why","content":[{"type":"text",'
        b'"text":"part"}]},"usage":{"completion_tokens":2},"finish_reason":"length"}]}'
    )
    reader = OpenAIReader(is_stream=False)
    list(reader.feed(chunk))
    assert list(reader.finish()) == [
        ThinkingDelta("why"),
        TextDelta("part"),
        Usage(completion_tokens=2),
        Finish("length"),
    ]


@pytest.mark.parametrize(
    ("whole", "thought", "answer"),
    [
        ("<think>a</think>b", "a", "b"),
        ("\n<think>\na < b</think>\n\nc", "a < b", "c"),
        ("no <think>tag</think>", "", "no <think>tag</think>"),
        ("<thinking>x</thinking>y", "x", "y"),
        ("<think>never closed", "never closed", ""),
        ("<thin", "", "<thin"),
        ("", "", ""),
    ],
)
def test_thoughts_are_split_wherever_the_tag_is_cut(whole: str, thought: str, answer: str) -> None:
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1):
            splitter = ThinkSplitter()
            events: list[Event] = []
            for piece in (whole[:first], whole[first:second], whole[second:]):
                events += splitter.feed(piece)
            events += splitter.flush()
            assert text(events, ThinkingDelta) == thought
            assert text(events, TextDelta) == answer


def test_an_endless_event_is_refused() -> None:
    decoder = EventDecoder()
    decoder.MAX_EVENT_CHARS = 100
    with pytest.raises(ValueError, match="too long"):
        decoder.feed(b"data: " + b"x" * 200 + b"\n")


def test_an_empty_answer_is_invalid_even_unstreamed() -> None:
    reader = OpenAIReader(is_stream=False)
    list(reader.feed(b"{}"))
    with pytest.raises(InvalidAnswer):
        list(reader.finish())
