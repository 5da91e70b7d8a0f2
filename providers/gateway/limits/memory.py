"""The counts of one process."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from providers.gateway.limits.counting import (
    BudgetDemand,
    Counted,
    Demand,
    Reason,
    Refused,
    Settlement,
    Use,
)
from providers.gateway.limits.windows import Window

HOLDERS_KEPT = 10_000


@dataclass
class _Counts:
    """`leases`: the calls that run, and what is reserved for each; `reserved` is their sum."""

    requests: Window = field(default_factory=Window)
    tokens: Window = field(default_factory=Window)
    leases: dict[str, int] = field(default_factory=dict)
    reserved: int = 0
    spent: dict[str, int] = field(default_factory=dict)

    def forget(self, now: float) -> None:
        self.requests.forget(now)
        self.tokens.forget(now)

    @property
    def is_idle(self) -> bool:
        return not (self.requests.seconds or self.tokens.seconds or self.leases)

    def learn(self, budgets: Sequence[BudgetDemand]) -> None:
        """The database may know more than this process; what is past is dropped."""
        self.spent = {each.name: max(each.known, self.spent.get(each.name, 0)) for each in budgets}

    def take(self, lease: str, cost: int) -> None:
        self.leases[lease] = cost
        self.reserved += cost

    def free(self, lease: str) -> None:
        self.reserved -= self.leases.pop(lease, 0)


class MemoryStore:
    """Several event loops, each in a thread of its own, may share it."""

    is_local = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Counts] = {}
        self._lock = threading.Lock()

    async def admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        with self._lock:
            return self._admit(lease, demands)

    def _admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        now = self._clock()
        counts = [self._of(demand, now) for demand in demands]
        pairs = list(zip(demands, counts, strict=True))
        refused = next(_refusals(pairs, now), None)
        if refused is None:
            for demand, each in pairs:
                _count(demand, each, lease, now)
        return Counted(tuple(_use(each, now) for each in counts), int(now), refused)

    async def settle(self, lease: str, settlements: Sequence[Settlement]) -> None:
        with self._lock:
            self._settle(lease, settlements)

    def _settle(self, lease: str, settlements: Sequence[Settlement]) -> None:
        for each in settlements:
            counts = self._counts.get(each.demand.name)
            if counts is None:
                continue
            counts.free(lease)
            if each.demand.tpm is not None:
                counts.tokens.correct(each.second, each.tokens)
            for budget in each.demand.budgets:
                if budget.name in counts.spent:
                    counts.spent[budget.name] += each.cost

    async def close(self) -> None:
        """Nothing to give back."""

    def _of(self, demand: Demand, now: float) -> _Counts:
        counts = self._counts.get(demand.name)
        if counts is None:
            self._make_room(now)
            counts = self._counts[demand.name] = _Counts()
        counts.forget(now)
        if demand.budgets:
            counts.learn(demand.budgets)
        return counts

    def _make_room(self, now: float) -> None:
        if len(self._counts) < HOLDERS_KEPT:
            return
        for counts in self._counts.values():
            counts.forget(now)
        idle = [name for name, counts in self._counts.items() if counts.is_idle]
        for name in idle or list(self._counts)[: max(1, HOLDERS_KEPT // 10)]:
            del self._counts[name]


def _refusals(pairs: Sequence[tuple[Demand, _Counts]], now: float) -> Iterator[Refused]:
    for place, (demand, counts) in enumerate(pairs):
        for index, budget in enumerate(demand.budgets):
            spent = counts.spent[budget.name]
            held = counts.reserved
            if spent >= budget.limit:
                yield Refused(place, Reason.BUDGET, budget=index, spent=spent)
            # Whoever is alone may use up the rest, whatever its estimate.
            elif held and demand.cost and spent + held + demand.cost > budget.limit:
                yield Refused(place, Reason.RESERVED, 1, index, spent, held)
        if demand.max_parallel is not None and len(counts.leases) >= demand.max_parallel:
            yield Refused(place, Reason.PARALLEL, 1)
        if demand.rpm is not None and counts.requests.total >= demand.rpm:
            yield Refused(place, Reason.REQUESTS, counts.requests.wait_s(1, demand.rpm, now))
        if demand.tpm is not None and counts.tokens.total + demand.tokens > demand.tpm:
            wait_s = counts.tokens.wait_s(demand.tokens, demand.tpm, now)
            yield Refused(place, Reason.TOKENS, wait_s)


def _count(demand: Demand, counts: _Counts, lease: str, now: float) -> None:
    if demand.rpm is not None:
        counts.requests.add(now)
    if demand.tpm is not None:
        counts.tokens.add(now, demand.tokens)
    if demand.holds_place:
        counts.take(lease, demand.cost if demand.budgets else 0)


def _use(counts: _Counts, now: float) -> Use:
    return Use(
        counts.requests.total,
        counts.requests.reset_s(now),
        counts.tokens.total,
        counts.tokens.reset_s(now),
    )
