"""Short requests to addresses that people give: no redirects, and only to addresses that are
allowed. A name is resolved once, and the connection goes to an address that was checked."""

import functools
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx
from django.conf import settings

from llmplatform.addresses import is_address, is_allowed

Resolve = Callable[[str, int], list[str]]
TIMEOUT_S = 10
USER_AGENT = "llmplatform"


class AddressRefused(Exception):
    """The platform does not connect there."""


def resolve(host: str, port: int) -> list[str]:
    """Every address of `host`."""
    if is_address(host):
        return [host]
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


class GuardedBackend(httpcore.NetworkBackend):
    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._inner = httpcore.SyncBackend()
        self._allow_private, self._resolve = allow_private, resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        allowed = [is_allowed(each, allow_private=self._allow_private) for each in addresses]
        # One bad address among good ones is how rebinding looks: all or nothing.
        if not addresses or not all(allowed):
            raise AddressRefused
        return self._inner.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise AddressRefused


class GuardedTransport(httpx.HTTPTransport):
    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        super().__init__(verify=tls(), retries=0)
        backend = GuardedBackend(allow_private=allow_private, resolve=resolve)
        self._pool = httpcore.ConnectionPool(ssl_context=tls(), network_backend=backend)


@functools.cache
def tls() -> ssl.SSLContext:
    """For every client: to read all certificates of a machine takes 20 ms."""
    return httpx.create_ssl_context()


def make_client(*, resolve: Resolve = resolve) -> httpx.Client:
    transport = GuardedTransport(
        allow_private=settings.ALLOW_PRIVATE_PROVIDER_URLS, resolve=resolve
    )
    return httpx.Client(
        transport=transport,
        timeout=TIMEOUT_S,
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": USER_AGENT},
    )
