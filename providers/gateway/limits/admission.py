"""Lets a call in, or refuses it, and counts what it really took when it ends."""

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from providers.gateway.exchange import Exchange
from providers.gateway.limits.counting import (
    BudgetDemand,
    Counted,
    Demand,
    Settlement,
    Store,
    units,
)
from providers.gateway.limits.estimates import Estimate
from providers.gateway.limits.holders import Holder, Period
from providers.gateway.limits.memory import MemoryStore
from providers.gateway.limits.refusals import refusal, set_headers
from providers.gateway.limits.spending import RecordedSpending, Spending
from providers.gateway.records import Call
from providers.gateway.snapshot import Refreshed

# Names of calls, unique across processes.
_PROCESS, _NUMBERS = uuid.uuid4().hex, itertools.count()
FIGURES_KEPT = 10_000
# What this process counts is the same for the gateway and the pages, which run on other loops.
_HERE = MemoryStore()
# A count outlives its period, for calls that end after it, and is read from the database again.
KEEP_AFTER_S = 3600
KEEP_LIFE_S = 86_400


@dataclass(frozen=True)
class _Figures:
    """What the database says, in units, and on which day: periods end at midnight."""

    day: datetime | None
    known: tuple[int, ...]


class Limiter:
    """`store` counts; `spending` knows what was spent before and what a call costs."""

    def __init__(
        self,
        store: Store,
        spending: Spending | None = None,
        *,
        now: Callable[[], datetime] = timezone.now,
    ) -> None:
        self._store = store
        self._spending = spending or RecordedSpending()
        self._now = now
        self._figures: dict[Holder, Refreshed[_Figures]] = {}
        self._ending: dict[asyncio.Task[None], frozenset[str]] = {}

    @classmethod
    def configured(cls) -> Self:
        """Across processes where REDIS_URL is set."""
        if not settings.REDIS_URL:
            return cls(_HERE)
        # Much comes with Redis' client.
        from providers.gateway.limits.shared import RedisStore, SharedStore

        return cls(SharedStore(RedisStore(settings.REDIS_URL), _HERE))

    def admission(
        self,
        exchange: Exchange | None,
        holders: Sequence[Holder],
        call: Call | None,
        estimate: Estimate,
    ) -> "Admission":
        return Admission(self, exchange, holders, call, estimate)

    async def _demands(
        self, holders: Sequence[Holder], estimate: Estimate, at: datetime
    ) -> list[Demand]:
        cost = 0
        if any(holder.budgets for holder in holders):
            cost = units(await self._spending.estimate(estimate, at))
        tokens = estimate.prompt_tokens
        return [await self._demand(holder, tokens, cost, at) for holder in holders]

    async def _demand(self, holder: Holder, tokens: int, cost: int, at: datetime) -> Demand:
        limits = (holder.rpm, holder.tpm, holder.max_parallel)
        if not holder.budgets:
            return Demand(holder.name, *limits, tokens)
        known = await self._known(holder, [period for period, _usd in holder.budgets], at)
        budgets = tuple(
            BudgetDemand(
                name=f"{holder.name}:{period}:{_label(period, at)}",
                limit=units(usd),
                known=figure,
                keep_s=_keep_s(period, at),
            )
            for (period, usd), figure in zip(holder.budgets, known, strict=True)
        )
        return Demand(holder.name, *limits, tokens=tokens, cost=cost, budgets=budgets)

    async def _known(
        self, holder: Holder, periods: Sequence[Period], at: datetime
    ) -> tuple[int, ...]:
        """At most seconds old; what was spent since is in the store."""

        async def load() -> _Figures:
            now = self._now()
            since = [period.began(now) for period in periods]
            spent = await self._spending.spent(holder, since)
            return _Figures(Period.DAY.began(now), tuple(units(usd) for usd in spent))

        cell = self._figures.get(holder)
        if cell is None:
            if len(self._figures) >= FIGURES_KEPT:
                self._figures.clear()
            cell = self._figures[holder] = Refreshed(load)
        # Whoever has read the end of one call and begins the next finds the first one counted.
        ending = [task for task, names in self._ending.items() if holder.name in names]
        if ending:
            await asyncio.wait(ending)
        figures = await cell.get()
        if figures.day != Period.DAY.began(at):
            cell.expire()
            figures = await cell.get()
        return figures.known

    async def _settle(
        self, lease: str, demands: Sequence[Demand], second: int, call: Call, tokens: int
    ) -> None:
        usage, _is_estimated = call.final_usage()
        real, cost = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0), 0
        if any(demand.budgets for demand in demands):
            # The record will tell within seconds, should the database be away now.
            with contextlib.suppress(DatabaseError):
                cost = units(await self._spending.cost(call))
        settlements = [Settlement(demand, second, real - tokens, cost) for demand in demands]
        await self._store.settle(lease, settlements)

    async def _finish(
        self, lease: str, demands: Sequence[Demand], second: int, call: Call | None, tokens: int
    ) -> None:
        """To its end, even where the caller is cancelled meanwhile. It ends before the record is
        written: no cost is counted twice."""
        has_budgets = any(demand.budgets for demand in demands)
        if call is not None and self._store.is_local and not has_budgets:
            await self._settle(lease, demands, second, call, tokens)  # waits for nothing
            return
        task = self._end(lease, demands, second, call, tokens)
        if task is not None:
            await asyncio.shield(task)

    def _end(
        self, lease: str, demands: Sequence[Demand], second: int, call: Call | None, tokens: int
    ) -> "asyncio.Task[None] | None":
        """None where there is nothing to do."""
        if call is None or not any(demand.is_settled for demand in demands):
            return None
        task = asyncio.create_task(self._settle(lease, demands, second, call, tokens))
        self._ending[task] = frozenset(demand.name for demand in demands)
        task.add_done_callback(self._ending.pop)
        return task

    async def close(self) -> None:
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self._store.close()


class Admission:
    """`async with`: raises GatewayError (429) instead of letting a call in. `exchange`: whose
    answer says what is left, if any does."""

    def __init__(
        self,
        limiter: Limiter,
        exchange: Exchange | None,
        holders: Sequence[Holder],
        call: Call | None,
        estimate: Estimate,
    ) -> None:
        self._limiter = limiter
        self._exchange = exchange
        # A request that is no call counts only where requests are limited.
        self._holders = [each for each in holders if call is not None or each.rpm is not None]
        self._call = call
        self._estimate, self._tokens = estimate, estimate.prompt_tokens
        self._lease = f"{_PROCESS}.{next(_NUMBERS)}"
        self._demands: list[Demand] = []
        self._second = 0

    async def __aenter__(self) -> None:
        limiter, at = self._limiter, self._limiter._now()
        if not self._holders:
            return
        if self._call is None:
            self._demands = [Demand(holder.name, holder.rpm) for holder in self._holders]
        else:
            self._demands = await limiter._demands(self._holders, self._estimate, at)
        if limiter._store.is_local:
            counted = await limiter._store.admit(self._lease, self._demands)
        else:
            counted = await self._admit_remotely()
        self._second = counted.second
        if self._exchange is not None:
            set_headers(self._exchange, counted, self._demands)
        if counted.refused is not None:
            raise refusal(counted.refused, self._demands, self._holders, at)

    async def _admit_remotely(self) -> Counted:
        """Not cancelled half way: what was counted elsewhere must be given back."""
        admitting = asyncio.ensure_future(self._limiter._store.admit(self._lease, self._demands))
        try:
            return await asyncio.shield(admitting)
        except asyncio.CancelledError:
            admitting.add_done_callback(self._give_back)
            raise

    def _give_back(self, admitting: "asyncio.Future[Counted]") -> None:
        if admitting.cancelled() or admitting.exception() is not None:
            return
        counted = admitting.result()
        if counted.refused is None:
            self._limiter._end(self._lease, self._demands, counted.second, self._call, self._tokens)

    async def __aexit__(self, *_error: object) -> None:
        await self._limiter._finish(
            self._lease, self._demands, self._second, self._call, self._tokens
        )


def _label(period: Period, at: datetime) -> str:
    began = period.began(at)
    return "all" if began is None else f"{began:%Y-%m-%d}"


def _keep_s(period: Period, at: datetime) -> int:
    ends = period.ends(at)
    return KEEP_LIFE_S if ends is None else int((ends - at).total_seconds()) + KEEP_AFTER_S
