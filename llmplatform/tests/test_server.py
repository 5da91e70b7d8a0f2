"""The server's protocol against a plain ASGI application, over real sockets."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from llmplatform.server import DIRECT, Direct, OneWriteProtocol

START = {"type": "http.response.start", "status": 200}


async def answer(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/stream":
        direct = scope["extensions"][DIRECT]
        await send({**START, "headers": []})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        assert direct.write_piece(b"two") and direct.write_chunk(b"4\r\nfour\r\n")
        assert direct.write_piece(b"three" * 1000)
        await send({"type": "http.response.body", "body": b""})
    elif path == "/late":
        await send({**START, "headers": [(b"content-type", b"text/plain")]})
        await receive()
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"late"})
    elif path == "/broken":
        await send({**START, "headers": [(b"content-length", b"9")]})
        raise RuntimeError("in the middle")
    elif path == "/direct":
        direct = scope["extensions"][DIRECT]
        body = direct.whole_body()
        headers = [(b"content-length", b"%d" % len(body or b""))]
        assert direct.answer(200, headers, body or b"")
        assert direct.whole_body() is None and not direct.answer(200, headers, b"twice")
    elif path == "/injected":
        with pytest.raises(ValueError, match="several lines"):
            scope["extensions"][DIRECT].answer(200, [(b"a", b"b\r\nset-cookie: c")], b"")
        await send({**START, "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})
    elif path == "/echo":
        body = (await receive())["body"]
        await send({**START, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
    else:
        await send({**START, "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def served(*, keep_alive_s: float = 5) -> AsyncIterator[tuple[str, int]]:
    config = uvicorn.Config(
        answer,
        host="127.0.0.1",
        port=0,
        http=OneWriteProtocol,
        lifespan="off",
        log_level="critical",
        timeout_keep_alive=keep_alive_s,  # type: ignore[arg-type]  # any number will do
    )
    server = uvicorn.Server(config)
    running = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[:2]
    finally:
        server.should_exit = True
        await running


async def talked(*lines: bytes) -> bytes:
    """All that comes back for raw requests, of which the last one closes."""
    async with served() as address:
        reader, writer = await asyncio.open_connection(*address)
        for each in lines:
            writer.write(each)
        found = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return found


def request(path: str, *, method: str = "GET", headers: str = "", body: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n{body}".encode()


LAST = "Connection: close\r\n"


async def test_a_stream_is_chunked_whoever_writes_its_pieces() -> None:
    found = await talked(request("/stream", headers=LAST))
    head, _blank, body = found.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and b"transfer-encoding: chunked" in head
    expected = b"3\r\none\r\n3\r\ntwo\r\n4\r\nfour\r\n1388\r\n" + b"three" * 1000 + b"\r\n0\r\n\r\n"
    assert body == expected


async def test_head_and_body_come_together() -> None:
    async with served() as address:
        reader, writer = await asyncio.open_connection(*address)
        body = "hello"
        writer.write(request("/echo", method="POST", headers="Content-Length: 5\r\n", body=body))
        assert (await reader.read(10_000)).endswith(b"\r\n\r\nhello")
        writer.close()


async def test_a_whole_answer_without_coroutines() -> None:
    head = "Content-Length: 5\r\n"
    asked = request("/direct", method="POST", headers=head, body="hello")
    last = request("/direct", method="POST", headers=head + LAST, body="hello")
    found = await talked(asked, last)
    assert found.count(b"HTTP/1.1 200 OK") == found.count(b"\r\n\r\nhello") == 2
    assert found.count(b"connection: close") == 1 and found.endswith(b"hello")


async def test_a_header_stays_one_line() -> None:
    found = await talked(request("/injected", headers=LAST))
    assert found.startswith(b"HTTP/1.1 204") and b"set-cookie" not in found


def directs() -> list[Direct]:
    """Not by `isinstance`, which wakes up lazy objects of others."""
    return [each for each in gc.get_objects() if type(each) is Direct]


async def test_a_request_leaves_nothing_to_the_garbage_collector() -> None:
    gc.collect()
    gc.disable()
    # A server of other tests may still live in this process, with requests of its own.
    before = {id(each): each for each in directs()}
    try:
        asked = [request(path) for path in ("/stream", "/direct", "/nothing", "/late")]
        await talked(*asked, request("/direct", headers=LAST))
        left = [each for each in directs() if id(each) not in before]
    finally:
        gc.enable()
    assert len(left) <= 1, "the last one goes with its connection"


async def test_a_connection_that_is_idle_is_closed() -> None:
    async with served(keep_alive_s=0.3) as address:
        reader, writer = await asyncio.open_connection(*address)
        for _each in range(2):
            writer.write(request("/echo"))
            assert b"200 OK" in await reader.read(10_000)
            await asyncio.sleep(0.2)
        assert not reader.at_eof(), "each answer begins the time anew"
        started = asyncio.get_running_loop().time()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        assert asyncio.get_running_loop().time() - started < 0.3
        writer.close()


async def test_an_answer_to_head_is_its_head() -> None:
    found = await talked(request("/late", method="HEAD", headers=LAST))
    assert found.startswith(b"HTTP/1.1 200 OK") and found.endswith(b"\r\n\r\n")


async def test_requests_in_a_row_on_one_connection() -> None:
    found = await talked(request("/late"), request("/nothing"), request("/late", headers=LAST))
    assert found.count(b"HTTP/1.1 200 OK") == 2 and found.count(b"HTTP/1.1 204") == 1
    assert found.count(b"late") == 2
    assert found.index(b"late") < found.index(b"204") < found.rindex(b"200 OK")


async def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    headers = f"Content-Length: 2\r\nExpect: 100-continue\r\n{LAST}"
    found = await talked(request("/echo", method="POST", headers=headers), b"ok")
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert found.endswith(b"\r\n\r\nok")


async def test_an_answer_that_breaks_off_is_cut() -> None:
    found = await talked(request("/broken"))
    assert b"content-length: 9" in found and found.endswith(b"\r\n\r\n")
