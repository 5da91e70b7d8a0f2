"""One call, several tries: only before the first byte of the answer, and only where another try
may help."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from providers.errors import (
    Conflict,
    InvalidAnswer,
    ProviderError,
    TimedOut,
)
from providers.gateway.core import Core
from providers.gateway.exchange import Exchange
from providers.gateway.health import HOPELESS
from providers.gateway.plans import Plan
from providers.gateway.records import Call
from providers.gateway.route import Route

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
Run = Callable[[Route], Awaitable[None]]


def may_help(error: ProviderError) -> bool:
    """Whether another model could answer where this one did not."""
    return error.status >= 500 or error.status == 429 or isinstance(error, HOPELESS)


def may_pass(error: ProviderError) -> bool:
    """Whether the same model could answer a little later. After a timeout nobody waits again."""
    is_lasting = isinstance(error, (*HOPELESS, TimedOut, InvalidAnswer, Conflict))
    return may_help(error) and not is_lasting


async def tried(core: Core, exchange: Exchange, plan: Plan, call: Call, run: Run) -> None:
    """Runs `run` on one route after another until one answers. Raises the last ProviderError."""
    for round_number in range(plan.rounds):
        errors: list[ProviderError] = []
        for route in plan.order(core.health):
            error = await _try(core, exchange, route, call, run)
            if error is None:
                return
            if exchange.is_started or not may_help(error):
                raise error
            errors.append(error)
        is_last = round_number + 1 == plan.rounds
        if is_last or not any(may_pass(error) for error in errors):
            raise errors[-1]
        pause = _pause_s(round_number, errors)
        if pause is None:
            raise errors[-1]
        await asyncio.sleep(pause)


async def _try(
    core: Core, exchange: Exchange, route: Route, call: Call, run: Run
) -> ProviderError | None:
    call.take(route)
    exchange.set_header("x-platform-model", route.header)
    health, started = core.health, time.monotonic()
    health.begin(route.model_pk)
    is_told = False
    try:
        await run(route)
        is_told = True
        health.succeeded(route.model_pk, None if call.first is None else call.first - started)
        return None
    except ProviderError as error:
        is_told = True
        health.failed(route.model_pk, error)
        ms = round((time.monotonic() - started) * 1000)
        call.attempts.append({"model": route.qualified, "error": error.code, "ms": ms})
        return error
    finally:
        if not is_told:
            health.withdrawn(route.model_pk)


def _pause_s(round_number: int, errors: list[ProviderError]) -> float | None:
    """Grows, with some chance in it; what a provider asks for counts. None: too long to wait."""
    wanted = FIRST_PAUSE_S * 2**round_number * (0.5 + random.random() / 2)
    asked = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    if len(asked) == len(errors):
        wanted = max(wanted, min(asked))
    return wanted if wanted <= LONGEST_PAUSE_S else None
