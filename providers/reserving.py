"""An account's limits for calls outside the gateway: chats on the pages, trials of a model.

They are let in and counted by the same limiter and store as calls with a key, so that both
together stay within what an account may use.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from weakref import WeakKeyDictionary

from django.utils import timezone

from accounts.models import User
from providers.errors import BudgetReached, BudgetReserved, LimitReached, TooManyAtOnce
from providers.gateway.errors import GatewayError
from providers.gateway.limits import Limiter
from providers.gateway.limits.estimates import Candidate, Estimate
from providers.gateway.limits.holders import user_holder
from providers.gateway.limits.spending import spent_usd
from providers.gateway.records import Call
from providers.gateway.snapshot import in_database
from providers.measuring import Measurement
from providers.types import ChatRequest, Target

_REFUSALS = {
    kind.code: kind for kind in (BudgetReached, BudgetReserved, LimitReached, TooManyAtOnce)
}
_limiters: WeakKeyDictionary[asyncio.AbstractEventLoop, Limiter] = WeakKeyDictionary()


def _limiter() -> Limiter:
    loop = asyncio.get_running_loop()
    found = _limiters.get(loop)
    if found is None:
        found = _limiters[loop] = Limiter.configured()
    return found


async def close_limiter() -> None:
    """Of this event loop, before it ends."""
    found = _limiters.pop(asyncio.get_running_loop(), None)
    if found is not None:
        await found.close()


def check_limits(user: User) -> None:
    """Before a call outside the gateway. Raises BudgetReached once the user's budget is spent."""
    holder, now = user_holder(user), timezone.now()
    if holder is None:
        return
    for period, usd in holder.budgets:
        if spent_usd(holder, period.began(now)) >= usd:
            raise BudgetReached(f"{period} budget of {usd} USD")


@asynccontextmanager
async def reserved(
    *, user: User, target: Target, request: ChatRequest | None, measured: Measurement
) -> AsyncIterator[None]:
    """Around a call: it counts for the limits of `user`, and what it may cost is reserved of their
    budgets while it runs; afterwards what `measured` says takes that place. `request` None: the
    model reads and says nothing.

    Raises BudgetReached, BudgetReserved, LimitReached or TooManyAtOnce.
    """
    holder = await in_database(user_holder, user)
    if holder is None:
        yield
        return
    call = Call(user_id=user.pk, key_id=0, model_pk=target.model_pk)
    estimate = Estimate(measured.estimated_prompt or 0, lambda: _candidates(target, request))
    async with AsyncExitStack() as stack:
        try:
            admission = _limiter().admission(None, [holder], call, estimate)
            await stack.enter_async_context(admission)
        except GatewayError as refusal:
            raise _REFUSALS.get(refusal.code or "", LimitReached)(refusal.message) from refusal
        try:
            yield
        finally:
            usage, _is_estimated = measured.final_usage()
            call.usage, call.at = replace(usage), timezone.now()


def _candidates(target: Target, request: ChatRequest | None) -> list[Candidate]:
    longest = 0 if request is None else _longest(target, request)
    return [] if target.model_pk is None else [Candidate(target.model_pk, longest)]


def _longest(target: Target, request: ChatRequest) -> int | None:
    longest: int | None = request.parameters.get("max_tokens", target.defaults.get("max_tokens"))
    return longest
