"""The gateway's way out: pooled connections under the same address policy as `providers.http`."""

import asyncio
import ssl
from collections import defaultdict
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from llmplatform.outbound import tls
from providers.addresses import is_allowed
from providers.errors import (
    ProviderError,
    Redirected,
    TimedOut,
    Unavailable,
    error_of,
    retry_after_s_of,
)
from providers.gateway.clock import Alarm, SlowClock
from providers.gateway.http1 import Answer, ClosedEarly, Connection
from providers.http import MAX_BODY_BYTES, USER_AGENT, Resolve, resolve
from providers.types import USUAL_PATIENCE, HttpRequest, Patience

CONNECTIONS = 2000
# Servers drop idle connections: uvicorn, which our own deployments run on, after 5 s.
KEPT_S, KEPT_MANAGED_S = 15, 4
SWEEP_S = 5
ERROR_BODY_BYTES = 100_000
TRIES = 3
# A server that closes an idle connection knows nothing of what is on its way: one round trip.
UNREAD_WITHIN_S = 0.5
PORTS = {"http": 80, "https": 443}


class Origin(NamedTuple):
    """Where a connection goes. `host` is for TLS and look-ups; `is_managed`: a deployment of our
    own, which lives on loopback."""

    scheme: str
    host: str
    port: int
    is_managed: bool

    @property
    def kept_s(self) -> float:
        return KEPT_MANAGED_S if self.is_managed else KEPT_S


class _Place(NamedTuple):
    """A URL taken apart: `authority` is what the Host header says."""

    origin: Origin
    authority: str
    target: str


@lru_cache(maxsize=4096)
def _place(url: str, is_managed: bool) -> _Place:
    """Raises Unavailable for what cannot be asked."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Unavailable("not a URL")
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, KeyError) as error:
        raise Unavailable("not a URL") from error
    if not host:
        raise Unavailable("not a URL")
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == PORTS[parts.scheme] else f"{shown}:{port}"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(Origin(parts.scheme, host, port, is_managed), authority, target)


@lru_cache(maxsize=4096)
def _head(method: str, place: _Place, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Up to the length of the body: nearly always the same. Raises Unavailable where a value would
    break out of its line."""
    lines = [
        f"{method} {place.target} HTTP/1.1",
        f"Host: {place.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept-Encoding: identity",
        *(f"{name}: {value}" for name, value in headers),
    ]
    text = "\r\n".join(lines)
    breaks = len(lines) - 1
    if text.count("\r") != breaks or text.count("\n") != breaks or "\0" in text:
        raise Unavailable("a header has several lines")
    return text.encode() + b"\r\nContent-Length: "


class Upstream:
    """Connections of one event loop; made when first needed."""

    def __init__(self, clock: SlowClock | None = None, *, resolve: Resolve = resolve) -> None:
        self._clock = clock or SlowClock()
        self._resolve = resolve
        self._open: dict[Connection, Origin] = {}
        self._idle: dict[Origin, list[Connection]] = defaultdict(list)
        self._sweeper: Alarm | None = None

    async def ask(
        self,
        request: HttpRequest,
        *,
        is_managed: bool,
        is_stream: bool,
        patience: Patience = USUAL_PATIENCE,
    ) -> Answer:
        """The 2xx answer, whose body is still to be read: use it with `with`. Raises ProviderError
        for everything else.

        A kept connection may be closed by the server just when it is used again: then nothing was
        read of the request, and it is sent anew. On a fresh connection it never is, nor where the
        server had time to work on it.
        """
        place = _place(request.url, is_managed)
        head = _head(request.method, place, tuple(request.headers.items()))
        head += b"%d\r\n\r\n" % len(request.body)
        # A stream may think for long before it speaks, but it sends comments meanwhile; a whole
        # answer comes at once, after all the thinking.
        silence_s = patience.read_s if is_stream else patience.answer_s
        for tries_left in reversed(range(TRIES)):
            connection = self._kept(place.origin) or await self._connect(
                place.origin, patience.connect_s
            )
            answer = connection.ask(
                head, request.body, silence_s=silence_s, within_s=patience.answer_s
            )
            try:
                await answer.begin()
                if answer.status >= 300:
                    raise await _refusal(answer)
            except ClosedEarly:
                answer.__exit__()
                is_unread = connection.is_reused and answer.age_s < UNREAD_WITHIN_S
                if not is_unread or not tries_left:
                    raise
            except BaseException:
                answer.__exit__()
                raise
            else:
                return answer
        raise AssertionError("unreachable")

    def _kept(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            is_fresh = connection.loop.time() - connection.idle_since < origin.kept_s
            if is_fresh and connection.is_open:
                return connection
            connection.abort()
        return None

    async def _connect(self, origin: Origin, within_s: float) -> Connection:
        if len(self._open) >= CONNECTIONS:
            raise Unavailable("too many connections at once")
        try:
            async with asyncio.timeout(within_s):
                addresses = await self._addresses(origin)
                for position, address in enumerate(addresses):
                    try:
                        # A dead address must not use up the time of the others.
                        async with asyncio.timeout(within_s / len(addresses)):
                            return await self._connect_to(address, origin)
                    except (OSError, TimeoutError):
                        if position + 1 == len(addresses):
                            raise
        except TimeoutError as error:
            raise TimedOut from error
        except (OSError, UnicodeError) as error:
            raise Unavailable(type(error).__name__) from error
        raise AssertionError("unreachable")

    async def _addresses(self, origin: Origin) -> list[str]:
        """Resolved once per connection, and the connection goes to what was checked. One bad
        address among good ones refuses the name; that looks like any other failure to connect."""
        allow_private = origin.is_managed or settings.ALLOW_PRIVATE_PROVIDER_URLS
        addresses = await self._resolve(origin.host, origin.port)
        if not addresses or not all(
            is_allowed(each, allow_private=allow_private) for each in addresses
        ):
            raise ConnectionRefusedError
        return addresses

    async def _connect_to(self, address: str, origin: Origin) -> Connection:
        loop = asyncio.get_running_loop()
        context: ssl.SSLContext | None = tls() if origin.scheme == "https" else None
        connection = Connection(self._clock, self._keep, self._forget)
        self._open[connection] = origin
        try:
            await loop.create_connection(
                lambda: connection,
                address,
                origin.port,
                ssl=context,
                server_hostname=origin.host if context else None,
            )
        except BaseException:
            self._open.pop(connection, None)
            raise
        return connection

    def _keep(self, connection: Connection) -> None:
        self._idle[self._open[connection]].append(connection)
        if self._sweeper is None:
            self._sweeper = self._clock.alarm(SWEEP_S, self._sweep)

    def _forget(self, connection: Connection) -> None:
        origin = self._open.pop(connection, None)
        if origin is not None and connection in self._idle.get(origin, ()):
            self._idle[origin].remove(connection)

    def _sweep(self) -> None:
        """Closes what nobody has used for long, or a host that is never asked again would keep
        its connections."""
        self._sweeper = None
        for origin, idle in list(self._idle.items()):
            for connection in list(idle):
                if connection.loop.time() - connection.idle_since >= origin.kept_s:
                    idle.remove(connection)
                    connection.abort()
            if not idle:
                del self._idle[origin]
        if self._idle:
            self._sweeper = self._clock.alarm(SWEEP_S, self._sweep)

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # the loop tells them that they are closed


async def _refusal(answer: Answer) -> ProviderError:
    if answer.status < 400:
        return Redirected()
    body = await answer.read(ERROR_BODY_BYTES)
    text = body[:ERROR_BODY_BYTES].decode("utf-8", "replace")
    return error_of(answer.status, text, retry_after_s_of(answer.headers))


async def read_whole(answer: Answer) -> bytes:
    body = await answer.read(MAX_BODY_BYTES)
    if len(body) > MAX_BODY_BYTES:
        raise ProviderError("the answer is too large")
    return body
