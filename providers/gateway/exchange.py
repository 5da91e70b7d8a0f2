"""One request and its answer, over ASGI's three callables."""

import asyncio
import contextlib
import functools
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from random import getrandbits
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

import orjson
from django.http.request import split_domain_port, validate_host

from providers.gateway import message_errors
from providers.gateway.begun import begun
from providers.gateway.clock import SlowClock
from providers.gateway.errors import GatewayError, bad_request

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
# Coroutine functions, as every server has them.
Receive = Callable[[], Coroutine[Any, Any, Event]]
Send = Callable[[Event], Coroutine[Any, Any, None]]
T = TypeVar("T")

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
BODY_WITHIN_S = 60
# Most leave later than this, if they leave.
WATCH_AFTER_S = 0.1
# Proxies and SDKs give up on a silent stream after a minute or less.
HEARTBEAT_S = 15.0
KEEP_ALIVE = b": keep-alive\n\n"
# Anthropic's clients count events, and pass comments over.
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
JSON = b"application/json"
MESSAGES = "/v1/messages"
MODELS = "/v1/models"
EVENT_STREAM = b"text/event-stream; charset=utf-8"
# An extension of ASGI by our own server: llmplatform/server.py.
DIRECT = "llmplatform.direct"
Headers = list[tuple[bytes, bytes]]


class Direct(Protocol):
    """What needs no waiting, without a coroutine; else `receive` and `send` must do it."""

    def whole_body(self) -> bytes | None: ...

    def answer(self, status: int, headers: Headers, body: bytes) -> bool: ...

    def write_piece(self, data: bytes) -> bool: ...

    def write_chunk(self, chunk: bytes) -> bool: ...


class _NotDirect:
    """Of other servers."""

    def whole_body(self) -> bytes | None:
        return None

    def answer(self, status: int, headers: Headers, body: bytes) -> bool:
        return False

    def write_piece(self, data: bytes) -> bool:
        return False

    def write_chunk(self, chunk: bytes) -> bool:
        return False


_NOT_DIRECT = _NotDirect()
_NONE: Mapping[str, Direct] = {}


class ClientLeft(Exception):
    """The client closed the connection."""


class _Watch:
    """Cancels `task` if `until_gone` says that the client has left."""

    __slots__ = ("_clock", "_due", "_task", "_until_gone", "_watching", "has_left")

    def __init__(
        self,
        task: asyncio.Task[Any],
        until_gone: Callable[[], Coroutine[Any, Any, bool]],
        clock: SlowClock,
    ) -> None:
        self.has_left = False
        self._task = task
        self._until_gone = until_gone
        self._watching: asyncio.Task[None] | None = None
        self._clock = clock
        self._due = clock.now() + WATCH_AFTER_S
        clock.join(self)

    def tick(self, now: float) -> None:
        if now >= self._due:
            self._clock.leave(self)
            self._watching = self._task.get_loop().create_task(self._look_out())

    async def _look_out(self) -> None:
        try:
            self.has_left = await self._until_gone()
        except ClientLeft:
            self.has_left = True
        if self.has_left:
            self._task.cancel()

    def end(self) -> None:
        self._clock.leave(self)
        watching, self._watching = self._watching, None  # it will hold us, when it is cancelled
        if watching is not None:
            watching.cancel()

    async def settle(self) -> None:
        """The client left just as all was done: then the task is not cancelled later."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        self._task.uncancel()


@functools.lru_cache(maxsize=256)
def _is_known_host(host: bytes, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host.decode("latin-1").lower())
    return bool(domain) and validate_host(domain, allowed)


async def _sent(rest: Awaitable[None]) -> None:
    try:
        await rest
    except OSError as error:
        raise ClientLeft from error


def _start(status: int, headers: Headers) -> Event:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _too_large(limit: int) -> GatewayError:
    text = f"The request is larger than {limit} bytes."
    return bad_request(text, code="request_too_large", status=413)


class Exchange:
    """Header names are matched exactly: `x_api_key` is not `x-api-key`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self._query: bytes = scope.get("query_string", b"")
        self._given: Headers = scope["headers"]
        self._headers = dict(self._given)
        self._has_twice = len(self._headers) < len(self._given)
        self._receive = receive
        self._send = send
        self._direct: Direct = scope.get("extensions", _NONE).get(DIRECT, _NOT_DIRECT)
        self._answer_headers: dict[str, str] = {}
        self._is_stream = self._is_closed = False
        self._has_written = False  # since the last look of a watch
        # `is_started`: the status is out; `has_spoken`: so is something of an answer.
        self.is_started = self.has_spoken = False
        given = self._headers.get(b"x-request-id", b"")
        is_fit = given and REQUEST_ID.fullmatch(given)
        self.request_id = given.decode() if is_fit else f"{getrandbits(128):032x}"
        # The dialect of the caller decides how failures look, whoever finds them.
        self.is_anthropic = self.path.startswith(MESSAGES) or (
            self.path.startswith(MODELS) and b"anthropic-version" in self._headers
        )
        if self.is_anthropic:
            self.set_header("request-id", self.request_id)

    def headers(self, name: bytes) -> list[bytes]:
        if self._has_twice:
            return [value for each, value in self._given if each == name]
        value = self._headers.get(name)
        return [] if value is None else [value]

    def parameters(self) -> dict[str, str]:
        """What stands behind the `?`; of a name that comes twice the last."""
        return dict(parse_qsl(self._query.decode("latin-1"), keep_blank_values=True))

    def set_header(self, name: str, value: str) -> None:
        """On whatever is answered. `value` is ASCII without line breaks."""
        self._answer_headers[name] = value

    def check_host(self, allowed: tuple[str, ...]) -> None:
        """The gateway stands before Django, so it refuses foreign host names by itself."""
        hosts = self.headers(b"host")
        if len(hosts) != 1 or not _is_known_host(hosts[0], allowed):
            raise bad_request("This host name is not served here.", code="invalid_host")

    async def read_body(self, limit: int) -> bytes:
        """The whole body. Raises GatewayError (413, 408) or ClientLeft."""
        stated = self._headers.get(b"content-length", b"")
        if stated.isdigit() and int(stated[:20]) > limit:
            raise _too_large(limit)
        body = self._direct.whole_body()
        if body is None:
            try:
                async with asyncio.timeout(BODY_WITHIN_S):
                    body = await self._read_on(limit)
            except TimeoutError as error:
                text = "The request came too slowly."
                raise bad_request(text, code="timeout", status=408) from error
        if len(body) > limit:
            raise _too_large(limit)
        return body

    async def _read_on(self, limit: int) -> bytes:
        """All of it, or of a longer one a little more than `limit`."""
        parts, size, has_more = list[bytes](), 0, True
        while has_more and size <= limit:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                raise ClientLeft
            parts.append(event.get("body", b""))
            size, has_more = size + len(parts[-1]), event.get("more_body", False)
        return b"".join(parts)

    async def while_connected(self, work: Awaitable[T], clock: SlowClock) -> T:
        """The result of `work`, which is cancelled as soon as the client leaves (ClientLeft).

        A short answer is out before the watch begins, which saves it the cost of one.
        """
        task = asyncio.current_task()
        assert task is not None
        watch = _Watch(task, self._watch, clock)
        try:
            result = await work
        except asyncio.CancelledError:
            if watch.has_left and task.uncancel() == 0:
                raise ClientLeft from None
            raise
        finally:
            watch.end()
        if watch.has_left:
            await watch.settle()
        return result

    async def _watch(self) -> bool:
        """Whether the client has left before it had all of the answer; keeps a silent stream alive
        until then."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    event = await self._receive()
                    if event["type"] == "http.disconnect":
                        return not self._is_closed
            except TimeoutError:
                if self._is_stream and not self._has_written:
                    await self._write(PING if self.is_anthropic else KEEP_ALIVE)
                self._has_written = False

    def expect_stream(self) -> None:
        """The answer will be server-sent events, unless it fails before the first one."""
        self._is_stream = True

    def _started(self, content_type: bytes, how: tuple[bytes, bytes]) -> Headers:
        self.is_started = True
        added = self._answer_headers.items()
        return [
            (b"content-type", content_type),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", self.request_id.encode()),
            how,
            *((name.encode(), value.encode("ascii", "replace")) for name, value in added),
        ]

    async def answer(self, body: bytes, *, status: int = 200, content_type: bytes = JSON) -> None:
        self.has_spoken = True
        headers = self._started(content_type, (b"content-length", b"%d" % len(body)))
        if not self._direct.answer(status, headers, body):
            await self._send(_start(status, headers))
            await self._send({"type": "http.response.body", "body": body})

    async def write(self, data: bytes) -> None:
        """A piece of the event stream; waits while the client is slower than the model."""
        self.has_spoken = True
        await self._write(data)

    async def _write(self, data: bytes) -> None:
        if not self.is_started:
            headers = self._started(EVENT_STREAM, (b"x-accel-buffering", b"no"))
            await self._send(_start(200, headers))
        self._has_written = True
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except OSError as error:
            raise ClientLeft from error

    def write_now(self, data: bytes) -> Awaitable[None] | None:
        """`write` without a task, where the server takes the piece at once, as it nearly always
        does; else what is still to be waited for. Raises ClientLeft."""
        if self.has_spoken and self._direct.write_piece(data):
            self._has_written = True
            return None
        if not self.is_started:
            return self.write(data)
        self.has_spoken = True
        self._has_written = True
        message = {"type": "http.response.body", "body": data, "more_body": True}
        try:
            rest = begun(self._send(message))
        except OSError as error:
            raise ClientLeft from error
        return None if rest is None else _sent(rest)

    def write_chunk(self, chunk: bytes) -> bool:
        """A piece in the frame that HTTP gives it; False where `write_now` must do it."""
        self._has_written = True
        return self.has_spoken and self._direct.write_chunk(chunk)

    async def close(self) -> None:
        self._is_stream, self._is_closed = False, True
        await self._send({"type": "http.response.body", "body": b""})

    async def fail(self, error: GatewayError) -> None:
        """As an answer of its own, or as the last event of a stream that has begun."""
        status, head, body = error.status, b"data: ", error.body()
        if self.is_anthropic:
            status, head = message_errors.status_of(error), b"event: error\ndata: "
            body = message_errors.error_body(error, self.request_id)
        if not self.is_started:
            self._answer_headers |= error.headers
            await self.answer(orjson.dumps(body), status=status)
        elif self._is_stream:
            await self.write(head + orjson.dumps(body) + b"\n\n")
            await self.close()


def json_bytes(value: Mapping[str, Any]) -> bytes:
    return orjson.dumps(value)
