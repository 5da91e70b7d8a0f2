"""One call, several tries: only before the first byte of the answer, and only where another try
may help."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from providers.errors import ProviderError
from providers.gateway.core import Core
from providers.gateway.exchange import Exchange
from providers.gateway.plans import Plan
from providers.gateway.records import Call
from providers.gateway.route import Route
from providers.retrying import may_help, may_pass, pause_s

Run = Callable[[Route], Awaitable[None]]


async def tried(core: Core, exchange: Exchange, plan: Plan, call: Call, run: Run) -> None:
    """Runs `run` on one route after another until one answers. Raises the last ProviderError."""
    for round_number in range(plan.rounds):
        errors: list[ProviderError] = []
        for route in plan.order(core.health):
            error = await _try(core, exchange, route, call, run)
            if error is None:
                return
            if exchange.has_spoken or not may_help(error):
                raise error
            errors.append(error)
        is_last = round_number + 1 == plan.rounds
        if is_last or not any(may_pass(error) for error in errors):
            raise errors[-1]
        pause = pause_s(round_number, errors)
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
