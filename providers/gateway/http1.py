"""HTTP/1.1 as a client, one exchange after another on a connection: bytes in, pieces out.

Between a provider and a caller lies only what is needed: httptools parses, and what has arrived is
handed over at once. A general client costs more for each token than all the rest of the gateway.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Self, cast

import httptools

from providers.errors import InvalidAnswer, ProviderError, TimedOut, Unavailable
from providers.gateway.clock import SlowClock

# Enough for any provider's headers, and no more.
MAX_HEADER_BYTES = 64 * 1024
# Above this nobody reads on until the caller has taken what is there.
HIGH_WATER_BYTES = 256 * 1024
COPIED_BYTES = 64 * 1024
SILENT = "the connection was closed without an answer"


Take = Callable[[bytes], Awaitable[None] | None]
# Gets what has come after a chunk, frame and all; whether it was another one, not the empty last
# one, and was taken.
TakeChunk = Callable[[bytes], bool]


class ClosedEarly(Unavailable):
    """The connection ended before the first byte of an answer."""


class Answer:
    """What comes back on a connection. `with` it: at the end the connection is given back, or
    closed if the answer was not read to its end.

    `headers` have lower-case names; of several equal names the last one counts. The methods `on_…`
    are what httptools calls.
    """

    def __init__(self, connection: "Connection", *, silence_s: float, within_s: float) -> None:
        self.status = 0
        self._headers: dict[bytes, bytes] = {}
        self._connection = connection
        self._loop = connection.loop
        self._parser = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._size = self._header_size = 0
        self._has_head = self._is_complete = self._is_reusable = self._is_paused = False
        self._error: ProviderError | None = None
        self._take: Take | None = None
        self._wait: Awaitable[None] | None = None
        self._failure: Exception | None = None
        self._is_enough = self._is_between_chunks = False
        self._take_chunk: TakeChunk | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._silence_s = silence_s
        self._asked_at = self._heard_at = self._loop.time()
        self._ends_at = self._heard_at + within_s
        connection.clock.join(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._connection.clock.leave(self)
        del self._parser  # it knows us, too: nothing is left to the garbage collector
        self._connection.finish(is_reusable=self._is_reusable and not self._is_paused)

    @property
    def headers(self) -> dict[str, str]:
        found = self._headers.items()
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in found}

    @property
    def content_type(self) -> str:
        value = self._headers.get(b"content-type", b"").decode("latin-1")
        return value.partition(";")[0].strip().lower()

    @property
    def age_s(self) -> float:
        """Since the request was sent."""
        return self._loop.time() - self._asked_at

    async def begin(self) -> None:
        """Waits for status and headers. Raises ProviderError."""
        while not self._has_head:
            if self._error is not None:
                raise self._error
            await self._more()
        if self._headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise InvalidAnswer("compressed, which nobody asked for")

    async def piece(self) -> bytes:
        """What has arrived; empty at the end. Raises ProviderError."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self._is_complete:
                return b""
            await self._more()
        return self._taken()

    def _taken(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        if self._is_paused:
            self._is_paused = False
            self._connection.resume_reading()
        return data

    async def hand_to(self, take: Take, take_chunk: TakeChunk | None = None) -> None:
        """All of the body, or what comes before `enough` is called, piece by piece; `take` is
        called as soon as one has come, and where it returns something, that is waited for first.
        Nobody is woken for a piece: to wake a task costs more than all that is done with a word.
        And a chunk that `take_chunk` knows is not even parsed. Raises ProviderError, and what
        `take` raises.
        """
        self._take_chunk = take_chunk
        while True:
            while self._pieces:
                wait = take(self._taken())
                if wait is not None:
                    await wait
                if self._is_enough:
                    return
            if self._error is not None:
                raise self._error
            if self._is_complete:
                return
            self._take = take
            try:
                await self._more()
            finally:
                self._take = self._connection.take_chunk = None
            wait, self._wait = self._wait, None
            if wait is not None:
                await wait
            if self._failure is not None:
                raise self._failure
            if self._is_enough:
                return

    def enough(self) -> None:
        """Who takes the pieces wants no more. Not an exception: it would hold the frames it came
        through, and they hold it."""
        self._is_enough = True

    async def read(self, limit: int) -> bytes:
        """The rest of the body, or of a longer one `limit` bytes and a little more."""
        parts, size = list[bytes](), 0
        while size <= limit:
            if self._pieces:
                parts.append(self._taken())
                size += len(parts[-1])
            elif self._error is not None:
                raise self._error
            elif self._is_complete:
                break
            else:
                await self._more()
        return b"".join(parts)

    async def finish(self, within_s: float) -> None:
        """What is left says nothing, but a connection that is read to its end can be used again."""
        self._ends_at = min(self._ends_at, self._loop.time() + within_s)
        with contextlib.suppress(ProviderError):
            while await self.piece():
                pass

    def _more(self) -> asyncio.Future[None]:
        """Until something has come."""
        self._waiter = self._loop.create_future()
        return self._waiter

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def fail(self, error: ProviderError) -> None:
        if self._error is None and not self._is_complete:
            self._error = error
            self._wake()

    def feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._is_reusable = False
            self.fail(InvalidAnswer("not HTTP"))
        if self._take is None:
            self._wake()
        elif self._pieces:
            try:
                self._wait = self._take(self._taken())
            except Exception as error:  # noqa: BLE001  # it is raised where somebody waits
                self._failure = error
            if self._wait is not None or self._failure is not None or self._is_enough:
                self._take = None
                self._wake()
        if self._is_complete:
            self._wake()
        elif self._take is not None and self._is_between_chunks and data[-2:] == b"\r\n":
            self._connection.take_chunk = self._take_chunk

    def end_of_input(self) -> None:
        """The connection is closed: where no length was given, that is how a body ends."""
        self._is_reusable = False
        lengths = (b"content-length", b"transfer-encoding")
        if self._has_head and not any(name in self._headers for name in lengths):
            self._is_complete = True
            self._wake()
        elif not self._has_head and not self._header_size and not self.status:
            self.fail(ClosedEarly(SILENT))
        else:
            self.fail(Unavailable("the answer was cut"))

    def tick(self, now: float) -> None:
        connection = self._connection
        if connection.has_heard or self._is_paused:  # then it is the caller who is slow
            self._heard_at, connection.has_heard = now, False
        if now >= self._ends_at or now >= self._heard_at + self._silence_s:
            self.fail(TimedOut())

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_size += len(name) + len(value)
        if self._header_size > MAX_HEADER_BYTES:
            raise InvalidAnswer("too many headers")
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._has_head = self.status >= 200

    def on_body(self, data: bytes) -> None:
        if self._is_complete:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER_BYTES and not self._is_paused:
            self._is_paused = True
            self._connection.pause_reading()

    def on_chunk_header(self) -> None:
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        self._is_between_chunks = True

    def on_message_complete(self) -> None:
        if not self._has_head:  # an interim answer
            self._headers.clear()
        elif self._is_complete:  # a second one, which nobody asked for
            self._is_reusable = False
        else:
            self._is_complete = True
            self._is_reusable = self._parser.should_keep_alive()


class Connection(asyncio.Protocol):
    """`released` is called after each exchange, `closed` once, when the connection has ended."""

    def __init__(
        self,
        clock: SlowClock,
        released: Callable[["Connection"], None],
        closed: Callable[["Connection"], None],
    ) -> None:
        self.clock = clock
        self.loop = asyncio.get_running_loop()
        self.idle_since = 0.0
        self.is_reused = self.has_heard = False
        self.take_chunk: TakeChunk | None = None
        self._released = released
        self._closed = closed
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, head: bytes, body: bytes, *, silence_s: float, within_s: float) -> Answer:
        """Sends a request; `silence_s` may pass without a byte, `within_s` until its end."""
        transport = self._transport
        assert transport is not None and self._answer is None
        self._answer = Answer(self, silence_s=silence_s, within_s=within_s)
        if len(body) <= COPIED_BYTES:
            transport.write(head + body)  # one call of the kernel instead of two
        else:
            transport.write(head)
            transport.write(body)
        return self._answer

    def finish(self, *, is_reusable: bool) -> None:
        """The exchange is over. What was not read is cut off, so that the provider notices."""
        self._answer = None
        if is_reusable and self.is_open:
            self.is_reused = True
            self.idle_since = self.loop.time()
            self._released(self)
        else:
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.is_open:
            assert self._transport is not None
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # as llmplatform/server.py does

    def data_received(self, data: bytes) -> None:
        self.has_heard = True
        take_chunk, self.take_chunk = self.take_chunk, None
        if take_chunk is not None and take_chunk(data):
            self.take_chunk = take_chunk
        elif self._answer is None:
            self.abort()  # nobody has asked
        else:
            self._answer.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self._answer is not None:
            self._answer.end_of_input()
        self._closed(self)
