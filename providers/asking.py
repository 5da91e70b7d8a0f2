"""One question to a provider outside the gateway, as its connection says: signed in, with its
timeouts, and again where that may help."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from itertools import count
from typing import TypeVar
from weakref import WeakKeyDictionary

from providers.access_tokens import ACCESS_TOKENS
from providers.errors import ProviderError
from providers.gateway.http1 import Answer
from providers.gateway.upstream import Upstream, read_whole
from providers.http import fetch, make_client
from providers.retrying import may_pass, pause_s
from providers.types import HttpRequest, Target

T = TypeVar("T")
Build = Callable[[Target], HttpRequest]


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, Upstream] = WeakKeyDictionary()


def keep_connections() -> None:
    """For an event loop that lasts: connections are used again, and by many at a time."""
    _kept.setdefault(asyncio.get_running_loop(), Upstream())


_shared: ContextVar[Upstream | None] = ContextVar("shared connections", default=None)


@asynccontextmanager
async def connections_shared() -> AsyncIterator[None]:
    """For several questions, one after the other: on the same connections."""
    async with _connections() as connections:
        token = _shared.set(connections)
        try:
            yield
        finally:
            _shared.reset(token)


@asynccontextmanager
async def _connections() -> AsyncIterator[Upstream]:
    """Those that this event loop keeps, else some for this question alone."""
    kept = _shared.get() or _kept.get(asyncio.get_running_loop())
    if kept is not None:
        yield kept
        return
    own = Upstream()
    try:
        yield own
    finally:
        await own.close()


@asynccontextmanager
async def asked(target: Target, build: Build, *, is_stream: bool) -> AsyncIterator[Answer]:
    """The open 2xx answer to what `build` makes for the signed-in target. Raises ProviderError."""
    async with _connections() as connections:

        async def once(signed_in: Target) -> Answer:
            return await connections.ask(
                build(signed_in),
                is_managed=target.is_managed,
                is_stream=is_stream,
                patience=target.patience,
            )

        with await _repeated(target, once) as answer:
            yield answer


async def whole(target: Target, build: Build) -> bytes:
    """The whole body of a model's answer. Raises ProviderError."""
    async with asked(target, build, is_stream=False) as answer:
        return await read_whole(answer)


async def fetched(target: Target, build: Build) -> bytes:
    """The whole body of the answer to a look-up. Raises ProviderError."""
    async with make_client(is_managed=target.is_managed, patience=target.patience) as client:

        async def once(signed_in: Target) -> bytes:
            return await fetch(client, build(signed_in))

        return await _repeated(target, once)


async def _repeated(target: Target, work: Callable[[Target], Awaitable[T]]) -> T:
    """`work` for the signed-in target, and again where that may help. Raises ProviderError."""
    for round_number in count():
        try:
            return await ACCESS_TOKENS.signed_in(target, work)
        except ProviderError as error:
            pause = pause_s(round_number, [error])
            if round_number >= target.patience.retries or pause is None or not may_pass(error):
                raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")
