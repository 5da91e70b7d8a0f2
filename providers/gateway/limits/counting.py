"""What a store of counts is asked and what it answers. Both stores count in the same way.

Money is counted in whole units of 1e-7 USD, which neither a float nor Redis rounds. Tuples, because
a dataclass that is frozen costs three times as much to make.
"""

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

WINDOW_S = 60
UNITS_PER_USD = 10_000_000


def units(usd: Decimal) -> int:
    return round(usd * UNITS_PER_USD)


class Reason(StrEnum):
    BUDGET = "budget"
    RESERVED = "reserved"
    PARALLEL = "parallel"
    REQUESTS = "requests"
    TOKENS = "tokens"


class BudgetDemand(NamedTuple):
    """`name` is unique to holder and period. `known`: what the database says is spent; more may
    have been spent since. The count is kept for `keep_s` seconds."""

    name: str
    limit: int
    known: int
    keep_s: int


class Demand(NamedTuple):
    """One call of one holder: `tokens` are an estimate, and `cost` (in units) is what it may cost:
    as long as it runs, so much of every budget is reserved for it."""

    name: str
    rpm: int | None = None
    tpm: int | None = None
    max_parallel: int | None = None
    tokens: int = 0
    cost: int = 0
    budgets: tuple[BudgetDemand, ...] = ()

    @property
    def holds_place(self) -> bool:
        """Something is taken for as long as the call runs."""
        return self.max_parallel is not None or bool(self.budgets)

    @property
    def is_settled(self) -> bool:
        """The end of the call changes something."""
        return self.tpm is not None or self.holds_place


class Use(NamedTuple):
    """What a holder has used of this minute, and in how many seconds all of it is free again."""

    requests: int = 0
    requests_reset_s: int = 0
    tokens: int = 0
    tokens_reset_s: int = 0


class Refused(NamedTuple):
    """`holder` and `budget` are places in the demands. `wait_s` 0: no wait will help.

    Where a budget refuses, `spent` is what was spent and `reserved` what running calls may cost.
    """

    holder: int
    reason: Reason
    wait_s: int = 0
    budget: int = 0
    spent: int = 0
    reserved: int = 0


class Counted(NamedTuple):
    """`second` is where the store counted the call; `settle` wants it back. A refused call is
    counted for nobody."""

    uses: tuple[Use, ...]
    second: int
    refused: Refused | None = None


class Settlement(NamedTuple):
    """What a call that was let in has really taken: `tokens` more (or less) than its estimate,
    and its cost in units, for every budget of the demand."""

    demand: Demand
    second: int
    tokens: int
    cost: int


class Store(Protocol):
    """`is_local`: it never waits for anything, so nothing can be cancelled half way."""

    is_local: bool

    async def admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        """Counts a call for all of its holders or for none."""
        ...

    async def settle(self, lease: str, settlements: Sequence[Settlement]) -> None:
        """The call has ended: its place is free again, its counts are corrected."""
        ...

    async def close(self) -> None: ...
