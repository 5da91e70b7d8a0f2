"""One question to a provider outside the gateway, as its connection says: signed in, with its
timeouts, and again where that may help."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from typing import TypeVar

import httpx

from providers.access_tokens import ACCESS_TOKENS
from providers.errors import ProviderError
from providers.http import limited, make_client, sent
from providers.retrying import may_pass, pause_s
from providers.types import HttpRequest, Target

T = TypeVar("T")
Build = Callable[[Target], HttpRequest]


@asynccontextmanager
async def asked(target: Target, build: Build, *, read_s: float) -> AsyncIterator[httpx.Response]:
    """The open 2xx answer to what `build` makes for the signed-in target. Raises ProviderError.

    `read_s`: the longest silence.
    """
    async with (
        make_client(
            is_managed=target.is_managed, patience=target.patience, read_s=read_s
        ) as client,
        AsyncExitStack() as stack,
    ):

        async def once(signed_in: Target) -> httpx.Response:
            return await stack.enter_async_context(sent(client, build(signed_in)))

        yield await _repeated(
            lambda: ACCESS_TOKENS.signed_in(target, once), retries=target.patience.retries
        )


async def fetched(target: Target, build: Build) -> bytes:
    """The whole body of the answer. Raises ProviderError."""
    async with asked(target, build, read_s=target.patience.read_s) as response:
        return await limited(response)


async def _repeated(work: Callable[[], Awaitable[T]], *, retries: int) -> T:
    for round_number in count():
        try:
            return await work()
        except ProviderError as error:
            pause = pause_s(round_number, [error])
            if round_number >= retries or pause is None or not may_pass(error):
                raise
        await asyncio.sleep(pause)
    raise AssertionError("unreachable")
