"""The gateway's way out: pooled connections under the same address policy as `providers.http`.

httpx costs about 3 ms of CPU a request and 250 us a streamed token, aiohttp a twentieth of that;
on this path alone it matters.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from django.conf import settings
from multidict import CIMultiDictProxy
from yarl import URL

from providers.addresses import is_allowed
from providers.errors import ProviderError, Redirected, TimedOut, Unavailable, error_of
from providers.http import MAX_BODY_BYTES, USER_AGENT, Resolve, resolve
from providers.types import USUAL_PATIENCE, HttpRequest, Patience

CONNECTIONS = 2000
# Servers drop idle connections: uvicorn, which our own deployments run on, after 5 s.
KEPT_S, KEPT_MANAGED_S = 15, 4
ERROR_BODY_BYTES = 100_000
LONGEST_WAIT_S = 3600.0
TRIES = 3


class AddressRefused(OSError):
    """For aiohttp a failure to connect like any other, so that nobody can tell them apart."""


class GuardedResolver(AbstractResolver):
    """Resolves once per connection; one bad address among good ones refuses the name."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            addresses = await self._resolve(host, port)
        except UnicodeError as error:
            raise OSError("not a host name") from error
        allowed = [is_allowed(each, allow_private=self._allow_private) for each in addresses]
        if not addresses or not all(allowed):
            raise AddressRefused
        return [_resolved(host, port, address) for address in addresses]

    async def close(self) -> None:
        pass


def _resolved(host: str, port: int, address: str) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )


def guarded_connector(
    *, is_managed: bool = False, resolve: Resolve = resolve
) -> aiohttp.TCPConnector:
    allow_private = is_managed or settings.ALLOW_PRIVATE_PROVIDER_URLS

    def open_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        """The last word, on the address being connected: aiohttp resolves no literal addresses."""
        family, kind, protocol, _name, address = info
        if not is_allowed(str(address[0]), allow_private=allow_private):
            raise AddressRefused
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(allow_private=allow_private, resolve=resolve),
        socket_factory=open_socket,
        use_dns_cache=False,
        limit=CONNECTIONS,
        keepalive_timeout=KEPT_MANAGED_S if is_managed else KEPT_S,
    )


@dataclass
class _Connection:
    is_reused: bool = False


async def _note_reuse(session: object, context: Any, params: object) -> None:
    context.trace_request_ctx.is_reused = True


def _session(*, is_managed: bool, resolve: Resolve) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    return aiohttp.ClientSession(
        connector=guarded_connector(is_managed=is_managed, resolve=resolve),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT},
        trust_env=False,
        trace_configs=[trace],
    )


class Upstream:
    """Connections of one event loop; made when first needed."""

    def __init__(self, *, resolve: Resolve = resolve) -> None:
        self._resolve = resolve
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def _for(self, is_managed: bool) -> aiohttp.ClientSession:
        if is_managed not in self._sessions:
            self._sessions[is_managed] = _session(is_managed=is_managed, resolve=self._resolve)
        return self._sessions[is_managed]

    @asynccontextmanager
    async def sent(
        self,
        request: HttpRequest,
        *,
        is_managed: bool,
        is_stream: bool,
        patience: Patience = USUAL_PATIENCE,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The open 2xx answer. Raises ProviderError for everything else, also while it is read."""
        timeout = aiohttp.ClientTimeout(
            total=patience.answer_s,
            connect=patience.connect_s,
            # A stream may think for long before it speaks, but it sends comments meanwhile; a whole
            # answer comes at once, after all the thinking.
            sock_read=patience.read_s if is_stream else patience.answer_s,
        )
        try:
            async with await self._open(request, is_managed, timeout) as response:
                await _check_status(response)
                yield response
        except TimeoutError as error:
            raise TimedOut from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(type(error).__name__) from error

    async def _open(
        self, request: HttpRequest, is_managed: bool, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """A kept connection may be closed by the server just when it is used again: then nothing
        was read of the request, and it is sent anew. On a fresh connection it never is."""
        for tries_left in reversed(range(TRIES)):
            connection = _Connection()
            try:
                return await self._for(is_managed).request(
                    request.method,
                    URL(request.url, encoded=True),
                    headers=dict(request.headers),
                    data=request.body,
                    timeout=timeout,
                    allow_redirects=False,
                    trace_request_ctx=connection,
                )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not connection.is_reused or not tries_left:
                    raise
        raise AssertionError("unreachable")

    async def close(self) -> None:
        sessions, self._sessions = self._sessions, {}
        await asyncio.gather(*(session.close() for session in sessions.values()))


async def _check_status(response: aiohttp.ClientResponse) -> None:
    if 300 <= response.status < 400:
        raise Redirected
    if not 200 <= response.status < 300:
        body = await response.content.read(ERROR_BODY_BYTES)
        text = body.decode("utf-8", "replace")
        raise error_of(response.status, text, _retry_after(response.headers))


def _retry_after(headers: CIMultiDictProxy[str]) -> float | None:
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(LONGEST_WAIT_S, max(0.0, float(headers[name]) * scale))
        except (KeyError, ValueError):
            continue
    try:
        at = parsedate_to_datetime(headers["retry-after"])
        return min(LONGEST_WAIT_S, max(0.0, at.timestamp() - time.time()))
    except (KeyError, ValueError, OverflowError):
        return None


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise ProviderError("the answer is too large")
        parts.append(part)
    return b"".join(parts)
