"""Access tokens of connections that sign in with OAuth2 client credentials.

A token is kept until shortly before its end and fetched by one caller at a time, whatever thread or
event loop the others wait in. What a token endpoint answers becomes an error of our vocabulary.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from providers.auth import TokenCache, token_request
from providers.errors import (
    Authentication,
    BadRequest,
    Forbidden,
    InvalidAnswer,
    NoSuchModel,
    NoToken,
    ProviderError,
    TokenRefused,
    Unavailable,
)
from providers.http import fetch, make_client
from providers.types import ClientCredentials, Patience, Target

T = TypeVar("T")
Fetch = Callable[[ClientCredentials, Patience], Awaitable[bytes]]
# Nobody waits for a token as long as for an answer.
LONGEST_FETCH_S = 30
# The standard answers 400 or 401 to a client that is not known.
REFUSALS = (Authentication, Forbidden, BadRequest)
NOTHING = (NoSuchModel, InvalidAnswer, Unavailable)


async def fetch_token(credentials: ClientCredentials, patience: Patience) -> bytes:
    """What the token endpoint answers, through the same guard as every call. Raises
    ProviderError."""
    wait_s = min(patience.read_s, LONGEST_FETCH_S)
    async with make_client(patience=patience, read_s=wait_s) as client:
        return await fetch(client, token_request(credentials))


class AccessTokens:
    def __init__(self, *, fetch: Fetch = fetch_token, cache: TokenCache | None = None) -> None:
        self._fetch = fetch
        self._cache = cache or TokenCache()
        self._running: dict[ClientCredentials, Future[None]] = {}

    async def signed_in(
        self,
        target: Target,
        work: Callable[[Target], Awaitable[T]],
        *,
        may_repeat: Callable[[], bool] = lambda: True,
    ) -> T:
        """`work` with a token in place of the key, where the connection has one to fetch; once
        more with a fresh one where the provider refuses it (401). Raises ProviderError."""
        credentials = target.oauth
        if credentials is None:
            return await work(target)
        token = await self._token(credentials, target.patience)
        try:
            return await work(replace(target, api_key=token))
        except Authentication as error:
            if error.upstream_status != 401 or not may_repeat():
                raise
        self._cache.forget(credentials, token)
        fresh = await self._token(credentials, target.patience)
        return await work(replace(target, api_key=fresh))

    async def _token(self, credentials: ClientCredentials, patience: Patience) -> str:
        while True:
            known = self._cache.get(credentials)
            if known is not None:
                return known
            mine: Future[None] = Future()
            running = self._running.setdefault(credentials, mine)
            if running is mine:
                return await self._fetched(credentials, patience, mine)
            # Shielded: one that gives up waiting must not end the wait of the others.
            await asyncio.shield(asyncio.wrap_future(running))

    async def _fetched(
        self, credentials: ClientCredentials, patience: Patience, done: "Future[None]"
    ) -> str:
        try:
            return self._cache.put(credentials, await self._fetch(credentials, patience))
        except ProviderError as error:
            found = _as_token_error(error)
            done.set_exception(found)
            raise found from error
        finally:
            del self._running[credentials]
            if not done.done():
                done.set_result(None)  # a token, or whoever fetched it was cancelled


def _as_token_error(error: ProviderError) -> ProviderError:
    """Not what a model would have meant by it: 404 is no unknown model here."""
    if isinstance(error, REFUSALS):
        return TokenRefused(error.detail)
    # A refused address looks like a closed port, here too.
    if isinstance(error, NOTHING) or error.code == Unavailable.code:
        return NoToken(error.detail)
    return error


ACCESS_TOKENS = AccessTokens()
