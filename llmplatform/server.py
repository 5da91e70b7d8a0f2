"""uvicorn's HTTP with less around each request: a call of the kernel, a timer or a coroutine costs
more than all that is done with a word.

Head and body of an answer leave in one write instead of two: ASGI wants a server to wait with the
head for the first body anyway. A connection has one timer, not one after each answer. And what
needs no waiting an application may do without coroutines: see Direct.
"""

import asyncio
from collections.abc import Sequence

from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

# In scope["extensions"]: a Direct.
DIRECT = "llmplatform.direct"


class Direct:
    """One request, past `receive` and `send`, where nothing has to be waited for.

    For the server it stands for the transport until the first piece of a body.
    """

    __slots__ = ("_cycle", "_head", "_on_response", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle: RequestResponseCycle | None = cycle
        self._transport = cycle.transport
        self._head = b""
        self._on_response = cycle.on_response
        cycle.on_response = self._end
        # An answer to HEAD has no body to wait for.
        if cycle.scope["method"] != "HEAD":
            cycle.transport = self  # type: ignore[assignment]

    def _end(self) -> None:
        """They know each other: nothing is left to the garbage collector."""
        cycle, self._cycle = self._cycle, None
        if cycle is not None:
            cycle.transport = self._transport
            self._on_response()

    def whole_body(self) -> bytes | None:
        """The body, once; None where `receive` is needed, because not all of it is there."""
        cycle = self._cycle
        if cycle is None or cycle.more_body or cycle.waiting_for_100_continue:
            return None
        body, cycle.body = bytes(cycle.body), bytearray()
        cycle.message_event.clear()
        cycle.flow.resume_reading()
        return body

    def answer(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> bool:
        """All of an answer; False where `send` is needed, because the client is slow or gone.
        How the connection goes on is the server's to say, and not in `headers`."""
        cycle = self._cycle
        if cycle is None or cycle.disconnected or cycle.flow.write_paused:
            return False
        if cycle.response_started or cycle.scope["method"] == "HEAD":
            return False
        lines = [b"%b: %b\r\n" % header for header in (*cycle.default_headers, *headers)]
        head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise ValueError("a header has several lines")
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self._transport.write(b"".join((STATUS_LINE[status], head, end, body)))
        if not cycle.keep_alive:
            self._transport.close()
        self._end()
        return True

    def write_piece(self, data: bytes) -> bool:
        """A piece of a chunked body after the first; False where `send` is needed."""
        if self._cycle is None or self._cycle.flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def write_chunk(self, chunk: bytes) -> bool:
        """As `write_piece`, for one that has its frame."""
        if self._cycle is None or self._cycle.flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(chunk)
        return True

    def write(self, data: bytes) -> None:
        cycle = self._cycle
        if cycle is None or not cycle.response_started:  # "100 Continue"
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            cycle.transport = self._transport
            self._transport.write(self._head + data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        """The application broke off after its head."""
        self._transport.write(self._head)
        self._transport.close()


class OneWriteProtocol(HttpToolsProtocol):
    _idle_since = float("inf")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Or uvloop would write when all else that has arrived in the same moment is done.
        transport.set_write_buffer_limits(high=0)

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.scope["extensions"] = {DIRECT: Direct(self.cycle)}  # type: ignore[dict-item]

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_after(self.timeout_keep_alive)

    def _look_again_after(self, seconds: float) -> None:
        later = self.loop.call_later(seconds, self.timeout_keep_alive_handler)
        self.timeout_keep_alive_task = later

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left <= 0:
            super().timeout_keep_alive_handler()
        elif left <= self.timeout_keep_alive:
            self._look_again_after(left)

    def _unset_keepalive_if_required(self) -> None:
        """Something has come: it is not idle until the next answer."""
        self._idle_since = float("inf")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
