"""What spares the gateway work for each word: events that need no parser, pieces without a task."""

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.passthrough import Mould, plain_word


def _event(word: str, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
    whole = {"id": "a", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + orjson.dumps(whole | {"choices": [choice]} | fields)


@given(st.lists(st.text(min_size=0, max_size=8), min_size=1, max_size=6), st.booleans())
def test_what_fits_the_mould_is_read_as_if_it_were_parsed(words: list[str], spaced: bool) -> None:
    mould = Mould()
    for word in words:
        event = _event(word)
        if spaced:
            event = event.replace(b'"content":', b'"content": ')
        assert mould.word(event) == plain_word(event) == (word or None)


_FIRST = _event("one")


@pytest.mark.parametrize(
    "event",
    [
        _FIRST.replace(b"one", b'a","role":"b'),
        _FIRST.replace(b"one", b""),
        _FIRST.replace(b"one", b"\\u0041"),
        _FIRST.replace(b"one", b"a\\"),
        _FIRST.replace(b"one", b"a\x01"),
        _FIRST.replace(b"one", b"\xff"),
        _FIRST.replace(b"one", b"a\nb"),
        _FIRST.replace(b'"index":0', b'"index":0,"usage":{"a":1}'),
        _FIRST.replace(b'"content":"one"', b'"tool_calls":[]'),
        _FIRST[: len(_FIRST) // 2] + _FIRST[len(_FIRST) // 2 + 3 :],
        _event("one", usage={"prompt_tokens": 1}),
        _event("one", created=2),
        b'data: {"error":{"message":"no"}}',
        b"data: [DONE]",
    ],
)
def test_what_does_not_fit_the_mould_is_parsed(event: bytes) -> None:
    mould = Mould()
    assert mould.word(_FIRST) == "one"
    assert mould.word(event) == plain_word(event)
    assert mould.word(_event("two")) == "two"


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


@pytest.mark.parametrize("size", [0x80, 0xFE, 0xFF, 0x100, 0x101, 0xFFE, 0xFFF, 0x1000, 0x1001])
def test_a_whole_chunk_is_known_and_nothing_else(size: int) -> None:
    mould = Mould()
    assert mould.raw_word_in_chunk(_chunk(_FIRST + b"\n\n")) == b"", "none has been seen"
    assert mould.word(_FIRST) == "one"
    word = "w" * (size - len(_event("") + b"\n\n"))
    chunk = _chunk(_event(word) + b"\n\n")
    assert mould.raw_word_in_chunk(chunk) == (word.encode() if size <= 0xFFF else b"")
    for wrong in (
        *(chunk[:end] for end in (-1, -2, -3, -4, len(chunk) // 2)),
        *(chunk + more for more in (b"\n", b"\r\n", b"0\r\n\r\n", chunk)),
        *(b"%x" % (size + off) + chunk[chunk.index(b"\r") :] for off in (-1, 1, 2)),
        chunk.replace(b"\r\n", b";a=b\r\n", 1),
        _chunk(_event(word) + b"\n\n: comment\n\n"),
        _event(word) + b"\n\n",
    ):
        assert mould.raw_word_in_chunk(wrong) == b"", wrong


@pytest.mark.parametrize("is_slow", [False, True])
async def test_a_piece_is_sent_without_a_task_unless_the_client_is_slow(is_slow: bool) -> None:
    sent: list[bytes] = []
    is_ready = asyncio.Event()

    async def send(message: Any) -> None:
        if is_slow and message.get("body"):
            await is_ready.wait()
            await asyncio.sleep(0)
        sent.append(message.get("body", b""))

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, send, send)  # type: ignore[arg-type]
    is_slow, given = False, is_slow
    first = exchange.write_now(b"one")
    assert first is not None, "the answer begins in a task"
    await first
    is_slow = given
    second = exchange.write_now(b"two")
    assert (second is None) is not is_slow
    if second is not None:
        assert sent[-1] == b"one"
        asyncio.get_running_loop().call_later(0.01, is_ready.set)
        await second
    assert sent == [b"", b"one", b"two"]


async def test_a_slow_client_that_leaves_ends_what_is_sent() -> None:
    ended: list[str] = []

    async def send(message: Any) -> None:
        if message.get("body") == b"two":
            try:
                await asyncio.sleep(60)
            finally:
                ended.append("two")

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, send, send)  # type: ignore[arg-type]
    await exchange.write(b"one")
    rest = exchange.write_now(b"two")
    assert rest is not None

    async def wait() -> None:
        await rest

    task = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["two"]


async def test_a_broken_connection_is_a_client_that_left() -> None:
    async def send(message: Any) -> None:
        if message.get("body"):
            if message["body"] == b"slow":
                await asyncio.sleep(0)
            raise BrokenPipeError

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, send, send)  # type: ignore[arg-type]
    with pytest.raises(ClientLeft):
        await exchange.write(b"one")
    with pytest.raises(ClientLeft):
        exchange.write_now(b"two")
    rest = exchange.write_now(b"slow")
    assert rest is not None
    with pytest.raises(ClientLeft):
        await rest
