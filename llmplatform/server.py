"""uvicorn's HTTP, with fewer calls of the kernel: each costs more
than all that is done with a word.

Head and body of an answer leave in one write instead of two: ASGI wants a server to wait with the
head for the first body anyway. And an application may write the pieces of a stream that has begun
without a coroutine for each: see PIECES.
"""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

# In scope["extensions"]: takes a piece of a chunked body after the first, which went through
# `send`; False where `send` is needed, because the client is slow or gone.
PIECES = "llmplatform.pieces"
WritePiece = Callable[[bytes], bool]


class _HeldHead:
    """Stands for the transport until the first piece of a body."""

    __slots__ = ("_cycle", "_head", "_transport")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._transport = cycle.transport
        self._head = b""

    def write(self, data: bytes) -> None:
        if not self._cycle.response_started:  # "100 Continue"
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self._cycle.transport = self._transport
            self._transport.write(self._head + data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        """The application broke off after its head."""
        self._transport.write(self._head)
        self._transport.close()


class OneWriteProtocol(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._extensions = {PIECES: self._write_piece}

    def on_headers_complete(self) -> None:
        before = self.cycle
        self.scope["extensions"] = self._extensions  # type: ignore[typeddict-item]
        super().on_headers_complete()
        cycle = self.cycle
        # An answer to HEAD has no body to wait for.
        if cycle is not before and self.scope["method"] != "HEAD":
            cycle.transport = _HeldHead(cycle)  # type: ignore[assignment]

    def _write_piece(self, data: bytes) -> bool:
        if self.flow.write_paused or self.transport.is_closing():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True
