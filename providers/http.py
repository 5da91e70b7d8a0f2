"""The one way out: every request to a provider goes through this transport.

A name is resolved once per connection, every address it has is checked, and the connection goes to
a checked address, so a name that changes its mind in between gains nothing. Redirects are errors.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import httpcore
import httpx
from django.conf import settings

from llmplatform.outbound import tls
from providers.addresses import is_address, is_allowed
from providers.errors import (
    Blocked,
    ProviderError,
    Redirected,
    TimedOut,
    Unavailable,
    error_of,
    retry_after_s_of,
)
from providers.types import USUAL_PATIENCE, HttpRequest, Patience

Resolve = Callable[[str, int], Awaitable[list[str]]]
WRITE_S, POOL_S = 30, 10
MAX_BODY_BYTES = 20 * 1024**2
USER_AGENT = "llmplatform"


async def resolve(host: str, port: int) -> list[str]:
    """Every address of `host`."""
    if is_address(host):
        return [host]
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to addresses that are allowed; raises Blocked for anything else."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._inner = httpcore.AnyIOBackend()
        self._allow_private = allow_private
        self._resolve = resolve

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await asyncio.wait_for(self._resolve(host, port), timeout)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        allowed = [is_allowed(each, allow_private=self._allow_private) for each in addresses]
        # One bad address among good ones is how rebinding looks: all or nothing.
        if not addresses or not all(allowed):
            raise Blocked("address")
        return await self._inner.connect_tcp(
            addresses[0], port, timeout, local_address, socket_options
        )

    async def connect_unix_socket(self, *args: Any, **kwargs: Any) -> Any:
        raise Blocked("unix socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncHTTPTransport):
    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        super().__init__(verify=tls(), retries=0)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls(),
            max_connections=400,
            max_keepalive_connections=100,
            keepalive_expiry=30,
            network_backend=GuardedBackend(allow_private=allow_private, resolve=resolve),
        )


def make_client(
    *,
    is_managed: bool = False,
    patience: Patience = USUAL_PATIENCE,
    read_s: float | None = None,
    resolve: Resolve = resolve,
) -> httpx.AsyncClient:
    """`is_managed`: a deployment of our own on this machine, which lives on loopback. `read_s`: the
    longest silence, where it is not that of a stream."""
    allow_private = is_managed or settings.ALLOW_PRIVATE_PROVIDER_URLS
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private, resolve=resolve),
        timeout=httpx.Timeout(
            connect=patience.connect_s,
            read=patience.read_s if read_s is None else read_s,
            write=WRITE_S,
            pool=POOL_S,
        ),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
    )


async def limited(response: httpx.Response, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body. Raises Unavailable where it is longer than `limit`."""
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise Unavailable("the answer is too large")
    return body


@asynccontextmanager
async def sent(client: httpx.AsyncClient, request: HttpRequest) -> AsyncIterator[httpx.Response]:
    """The open 2xx answer to `request`. Raises ProviderError for everything else."""
    try:
        async with client.stream(
            request.method, request.url, headers=dict(request.headers), content=request.body
        ) as response:
            if response.is_redirect:
                raise Redirected
            if not response.is_success:
                body = (await limited(response, 100_000)).decode("utf-8", "replace")
                raise error_of(response.status_code, body, retry_after_s_of(response.headers))
            yield response
    except httpx.TimeoutException as error:
        raise TimedOut from error
    except (httpx.HTTPError, httpx.InvalidURL, httpcore.NetworkError) as error:
        raise Unavailable(type(error).__name__) from error


async def fetch(client: httpx.AsyncClient, request: HttpRequest) -> bytes:
    """The whole body of a 2xx answer. Raises ProviderError."""
    async with sent(client, request) as response:
        return await limited(response)


__all__ = ["GuardedBackend", "ProviderError", "fetch", "limited", "make_client", "sent"]
