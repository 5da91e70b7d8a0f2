"""The gateway's way out, against real sockets: which addresses, and every way to answer badly."""

import asyncio
import datetime
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.errors import InvalidAnswer, ProviderError, Redirected, TimedOut, Unavailable
from providers.gateway import http1, upstream
from providers.gateway.http1 import ClosedEarly
from providers.gateway.upstream import Upstream, read_whole
from providers.types import USUAL_PATIENCE, HttpRequest, Patience

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


@asynccontextmanager
async def serving(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as server:
        yield server.sockets[0].getsockname()[1]


def answering(data: bytes, *, closes: bool = True) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(data)
        await writer.drain()
        if not closes:
            await reader.read()
        writer.close()

    return serve


async def ask(
    port: int,
    *,
    is_stream: bool = False,
    way_out: Upstream | None = None,
    patience: Patience = USUAL_PATIENCE,
) -> bytes:
    chosen = way_out or Upstream()
    request = HttpRequest("POST", f"http://127.0.0.1:{port}/v1?a=b", {"X-A": "b"}, b"{}")
    try:
        asked = chosen.ask(request, is_managed=True, is_stream=is_stream, patience=patience)
        with await asked as answer:
            return await read_whole(answer)
    finally:
        if way_out is None:
            await chosen.close()


# --- Where to ----------------------------------------------------------------


@pytest.mark.parametrize("answers", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1"], [], ["169.254.1.1"]])
async def test_a_name_with_one_bad_address_is_refused(answers: list[str]) -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers

    way_out = Upstream(resolve=resolve)
    request = HttpRequest("POST", "http://provider.example/v1", {})
    with pytest.raises(Unavailable):
        await way_out.ask(request, is_managed=False, is_stream=True)
    assert asked == ["provider.example"], "one resolution per connection"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "127.1", "0x7f.1", "0177.0.0.1"],
)
async def test_a_literal_address_is_checked_too(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sink:
        sink.settimeout(0.05)
        request = HttpRequest("GET", f"http://{host}:{sink.getsockname()[1]}/", {})
        with pytest.raises(Unavailable):
            await Upstream().ask(request, is_managed=False, is_stream=False)
        with pytest.raises(TimeoutError):
            sink.accept()


@pytest.mark.parametrize(
    "url",
    ["http://", "ftp://a/", "http://a b/", "http://a/\r\nX: y", "http://a:99999/", "http://ü/", ""],
)
async def test_what_is_no_url_goes_nowhere(url: str) -> None:
    with pytest.raises(Unavailable):
        await Upstream().ask(HttpRequest("GET", url, {}), is_managed=True, is_stream=False)


@pytest.mark.parametrize("value", ["a\r\nX-B: c", "a\nb", "a\rb", "a\0b"])
async def test_a_header_stays_in_its_line(value: str) -> None:
    request = HttpRequest("GET", "http://127.0.0.1:9/", {"Authorization": value})
    with pytest.raises(Unavailable, match="several lines"):
        await Upstream().ask(request, is_managed=True, is_stream=False)


async def test_it_connects_to_the_checked_address_under_the_name() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _each in range(2):
            seen.append(await reader.readuntil(b"{}"))
            writer.write(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"))
            await writer.drain()
        writer.close()

    async with serving(serve) as port:
        way_out = Upstream(resolve=loopback)
        for _each in range(2):
            request = HttpRequest("POST", f"http://Provider.example:{port}/v1?x=1", {}, b"{}")
            with await way_out.ask(request, is_managed=True, is_stream=False) as answer:
                assert await read_whole(answer) == b"ok"
        await way_out.close()
    assert seen[0].startswith(b"POST /v1?x=1 HTTP/1.1\r\n")
    assert f"Host: provider.example:{port}".encode() in seen[0]
    assert len(seen) == 2 and b"Cookie" not in seen[1], "one connection, no cookies"


async def test_the_next_address_is_tried_when_one_is_dead() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    async with serving(answering(OK)) as port:
        way_out = Upstream(resolve=resolve)
        request = HttpRequest("POST", f"http://provider.example:{port}/", {}, b"{}")
        with await way_out.ask(request, is_managed=True, is_stream=False) as answer:
            assert await read_whole(answer) == b"ok"
        await way_out.close()


def _certified(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that is provider.example, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("provider.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "both.pem").write_bytes(secret + pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_certificates_are_checked_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, trusting = _certified(tmp_path)

    async def get(name: str, port: int) -> bytes:
        way_out = Upstream(resolve=loopback)
        request = HttpRequest("POST", f"https://{name}:{port}/", {}, b"{}")
        try:
            with await way_out.ask(request, is_managed=True, is_stream=False) as answer:
                return await read_whole(answer)
        finally:
            await way_out.close()

    async with serving(answering(OK), server) as port:
        with pytest.raises(Unavailable):
            await get("provider.example", port)
        monkeypatch.setattr(upstream, "tls", lambda: trusting)
        assert await get("provider.example", port) == b"ok"
        with pytest.raises(Unavailable):
            await get("other.example", port)


# --- What comes back ---------------------------------------------------------

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "length": (OK, b"ok"),
    "chunks": (CHUNKED + b"2\r\non\r\n1\r\ne\r\n0\r\n\r\n", b"one"),
    "until the end": (b"HTTP/1.1 200 OK\r\n\r\nall of it", b"all of it"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
    "nothing": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "more than asked for": (OK + OK, b"ok"),
}


@pytest.mark.parametrize("name", BODIES)
async def test_bodies(name: str) -> None:
    data, body = BODIES[name]
    async with serving(answering(data)) as port:
        assert await ask(port) == body


async def test_every_split() -> None:
    data, body = BODIES["chunks"]
    for at in range(1, len(data)):

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, at: int = at
        ) -> None:
            await reader.readuntil(b"{}")
            writer.write(data[:at])
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(data[at:])
            writer.close()

        async with serving(serve) as port:
            assert await ask(port) == body


BAD: dict[str, tuple[bytes, type[ProviderError]]] = {
    "no answer": (b"", ClosedEarly),
    "cut in the headers": (b"HTTP/1.1 200 OK\r\nContent-Le", Unavailable),
    "cut in the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", Unavailable),
    "cut in a chunk": (CHUNKED + b"9\r\nok", Unavailable),
    "cut between chunks": (CHUNKED + b"2\r\nok\r\n", Unavailable),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", InvalidAnswer),
    "compressed": (OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), InvalidAnswer),
    "two lengths": (
        OK.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        InvalidAnswer,
    ),
    "headers without end": (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000, InvalidAnswer),
    "upgrade": (
        b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        InvalidAnswer,
    ),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\r\n", Redirected),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_answers(name: str) -> None:
    data, error = BAD[name]
    async with serving(answering(data)) as port:
        with pytest.raises(error):
            await ask(port)


async def test_a_long_error_is_read_in_part() -> None:
    head = b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 400000\r\n\r\n"
    async with serving(answering(head + b"x" * 400_000)) as port:
        with pytest.raises(ProviderError) as error:
            await ask(port)
    assert error.value.retry_after_s == 7


async def test_an_answer_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "MAX_BODY_BYTES", 1000)
    async with serving(answering(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000)) as port:
        with pytest.raises(ProviderError, match="too large"):
            await ask(port)


async def test_silence_is_a_timeout() -> None:
    async with serving(answering(CHUNKED + b"2\r\nok\r\n", closes=False)) as port:
        with pytest.raises(TimedOut):
            await ask(port, is_stream=True, patience=Patience(read_s=0.05))
    async with serving(answering(b"", closes=False)) as port:
        with pytest.raises(TimedOut):
            await ask(port, patience=Patience(answer_s=0.05))


async def test_who_is_slow_to_read_makes_the_provider_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "HIGH_WATER_BYTES", 1000)
    patience = Patience(read_s=0.05)
    size = 30_000_000
    has_sent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        writer.write(b"x" * size)
        await writer.drain()
        has_sent.set()

    async with serving(serve) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        asked = way_out.ask(request, is_managed=True, is_stream=True, patience=patience)
        with await asked as answer:
            await asyncio.sleep(0.3)
            assert not has_sent.is_set(), "it waits, and that is no silence"
            assert len(await answer.read(size)) == size
        await way_out.close()


@pytest.mark.parametrize("waits", [False, True])
async def test_pieces_are_handed_over_in_order(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http1, "HIGH_WATER_BYTES", 50)
    words = [b"word %d " % number for number in range(300)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(CHUNKED)
        for number, word in enumerate(words):
            writer.write(b"%x\r\n%b\r\n" % (len(word), word))
            if number % 7 == 0:
                await writer.drain()
                await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")
        await reader.read()
        writer.close()

    seen: list[bytes] = []

    async def later(data: bytes) -> None:
        await asyncio.sleep(0)
        seen.append(data)

    def take(data: bytes) -> Awaitable[None] | None:
        if waits and len(seen) % 3 == 0:
            return later(data)
        seen.append(data)
        return None

    async with serving(serve) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        with await way_out.ask(request, is_managed=True, is_stream=True) as answer:
            await answer.hand_to(take)
        assert b"".join(seen) == b"".join(words)
        await way_out.close()


@pytest.mark.parametrize("cut", [None, 1, 4, 9])
async def test_whole_chunks_may_go_past_the_parser(cut: int | None) -> None:
    """Each that has come by itself between two others; all else is parsed as ever."""
    words = [b"word %d\r\n" % number for number in range(60)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(CHUNKED)
        for number, word in enumerate(words):
            chunk = b"%x\r\n%b\r\n" % (len(word), word)
            for part in (chunk[:cut], chunk[cut:]) if cut and number % 5 == 0 else (chunk,):
                writer.write(part)
                await asyncio.sleep(0.002)
        writer.write(b"0\r\n\r\n")
        await reader.read()
        writer.close()

    seen: list[bytes] = []
    past: list[bytes] = []

    def take_chunk(data: bytes) -> bool:
        size, _break, rest = data.partition(b"\r\n")
        if not 0 < int(size, 16) == len(rest) - 2:
            return False
        seen.append(rest[:-2])
        past.append(rest)
        return len(past) != 30 or not seen.pop()  # a client may be slow for once

    async with serving(serve) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        with await way_out.ask(request, is_managed=True, is_stream=True) as answer:
            await answer.hand_to(seen.append, take_chunk)
        await way_out.close()
    assert b"".join(seen) == b"".join(words)
    assert len(past) >= 30


@pytest.mark.parametrize("name", ["cut in the body", "cut in a chunk", "cut between chunks"])
async def test_what_came_before_a_cut_is_handed_over(name: str) -> None:
    seen: list[bytes] = []
    async with serving(answering(BAD[name][0])) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        answer = await way_out.ask(request, is_managed=True, is_stream=True)
        with answer, pytest.raises(Unavailable):
            await answer.hand_to(seen.append)
        await way_out.close()
    assert b"".join(seen) == b"ok"


async def test_who_takes_may_refuse() -> None:
    def take(data: bytes) -> None:
        raise InvalidAnswer(data.decode())

    async with serving(answering(CHUNKED + b"2\r\nok\r\n", closes=False)) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        answer = await way_out.ask(request, is_managed=True, is_stream=True)
        with answer, pytest.raises(InvalidAnswer, match="ok"):
            await answer.hand_to(take)
        await way_out.close()


# --- Connections -------------------------------------------------------------


async def test_leaving_cuts_the_connection() -> None:
    has_left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(CHUNKED + b"2\r\nok\r\n")
        await reader.read()
        has_left.set()
        writer.close()

    async with serving(serve) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        with await way_out.ask(request, is_managed=True, is_stream=True) as answer:
            assert await answer.piece() == b"ok"
        await asyncio.wait_for(has_left.wait(), 5)


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_error() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answers once; drops what comes second without a word."""
        nonlocal connections
        connections += 1
        await reader.readuntil(b"{}")
        if connections < 3:
            writer.write(OK)
            await writer.drain()
            await reader.readuntil(b"{}")
        writer.close()

    async with serving(serve) as port:
        way_out = Upstream()
        for _each in range(2):
            assert await ask(port, way_out=way_out) == b"ok"
        assert connections == 2
        with pytest.raises(Unavailable):
            await ask(port, way_out=way_out)
        assert connections == 3, "on a fresh connection it is sent once"
        await way_out.close()


async def test_what_a_server_had_time_to_work_on_is_not_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "UNREAD_WITHIN_S", 0.05)
    seen = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        while True:
            await reader.readuntil(b"{}")
            seen += 1
            if seen > 1:
                await asyncio.sleep(0.1)
                break
            writer.write(OK)
        writer.close()

    async with serving(serve) as port:
        way_out = Upstream()
        assert await ask(port, way_out=way_out) == b"ok"
        with pytest.raises(ClosedEarly):
            await ask(port, way_out=way_out)
        await way_out.close()
    assert seen == 2


async def test_idle_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEPT_MANAGED_S", "SWEEP_S"):
        monkeypatch.setattr(upstream, name, 0.02)
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(OK)
        await reader.read()
        gone.set()
        writer.close()

    async with serving(serve) as port:
        way_out = Upstream()
        assert await ask(port, way_out=way_out) == b"ok"
        await asyncio.wait_for(gone.wait(), 5)
        await way_out.close()


async def test_connections_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "CONNECTIONS", 1)
    async with serving(answering(CHUNKED, closes=False)) as port:
        way_out = Upstream()
        request = HttpRequest("POST", f"http://127.0.0.1:{port}/", {}, b"{}")
        open_answer = await way_out.ask(request, is_managed=True, is_stream=True)
        with open_answer, pytest.raises(Unavailable, match="too many"):
            await ask(port, way_out=way_out)
        await way_out.close()


async def test_a_name_that_nobody_answers_for_is_a_timeout() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        await asyncio.sleep(60)
        return []

    request = HttpRequest("GET", "http://slow.example/", {})
    patience = Patience(connect_s=0.02)
    with pytest.raises(TimedOut):
        way_out = Upstream(resolve=resolve)
        await way_out.ask(request, is_managed=True, is_stream=True, patience=patience)


async def test_a_name_that_is_not_found() -> None:
    async def resolve(host: str, port: int) -> Any:
        raise socket.gaierror(8, "not known")

    with pytest.raises(Unavailable):
        request = HttpRequest("GET", "http://nowhere.example/", {})
        await Upstream(resolve=resolve).ask(request, is_managed=True, is_stream=False)
