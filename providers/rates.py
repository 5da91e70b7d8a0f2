"""What a million tokens cost, and what a call costs at these rates. Pure values, no database.

A tier is `{"above_input_tokens": 200000, "input": 4, "output": 18, "cached_input": 0.4}`. Off-peak
is `{"input": …, "output": …, "windows_utc": [{"weekdays_1_is_monday": [6, 7], "hours":
["00:00-00:00"]}]}`, where 00:00 at the end of a window is midnight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from providers.types import Usage

MILLION = Decimal(1_000_000)
NAMES = ("input", "output", "cached_input", "cache_write", "reasoning")
ZERO = Decimal(0)
# What reading tiers or windows raises where they are not what they should be.
NOT_RATES = (ValueError, TypeError, KeyError, AttributeError, ArithmeticError)


@dataclass(frozen=True)
class Rates:
    """Per million tokens. None is unknown; zero is a price."""

    input: Decimal | None = None
    output: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None


@dataclass(frozen=True)
class Tier:
    """The rates of a whole call whose input is above `above_input_tokens`."""

    above_input_tokens: int
    rates: Rates


@dataclass(frozen=True)
class Window:
    """Days (1 is Monday) and hours in UTC."""

    weekdays: tuple[int, ...]
    hours: tuple[tuple[time, time], ...]

    def holds(self, at: datetime) -> bool:
        moment = at.astimezone(UTC)
        if moment.isoweekday() not in self.weekdays:
            return False
        now = moment.time()
        return any(start <= now and (now < end or end == time.min) for start, end in self.hours)


@dataclass(frozen=True)
class OffPeak:
    rates: Rates
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Price:
    """The price of a model at one moment. It comes from row `row_id` of the price table or `own_id`
    of the model's own prices; `per_query` is for search units of rerankers."""

    currency: str
    rates: Rates
    tiers: tuple[Tier, ...] = ()
    per_query: Decimal | None = None
    row_id: int | None = None
    own_id: int | None = None

    def rates_for(self, prompt_tokens: int | None) -> Rates:
        reached = [t for t in self.tiers if (prompt_tokens or 0) > t.above_input_tokens]
        return max(reached, key=lambda t: t.above_input_tokens).rates if reached else self.rates


def _read_rates(row: Mapping[str, Any]) -> Rates:
    given = {name: Decimal(str(row[name])) for name in NAMES if row.get(name) is not None}
    if any(not value.is_finite() or value < 0 for value in given.values()):
        raise ValueError("a rate is a number from zero on")
    return Rates(**given)


def read_tiers(rows: Sequence[Mapping[str, Any]]) -> tuple[Tier, ...]:
    """Raises one of NOT_RATES."""
    if not isinstance(rows, list):
        raise ValueError("tiers are a list")
    return tuple(Tier(int(row["above_input_tokens"]), _read_rates(row)) for row in rows)


def _read_hours(text: str) -> tuple[time, time]:
    start, _dash, end = text.partition("-")
    return time.fromisoformat(start), time.fromisoformat(end)


def read_off_peak(row: Mapping[str, Any]) -> OffPeak | None:
    """None where there is none. Raises one of NOT_RATES."""
    if not row:
        return None
    windows = tuple(
        Window(
            tuple(int(day) for day in each["weekdays_1_is_monday"]),
            tuple(_read_hours(hours) for hours in each["hours"]),
        )
        for each in row["windows_utc"]
    )
    return OffPeak(_read_rates(row), windows)


def _part(count: int | None, rate: Decimal | None, unit: Decimal = MILLION) -> Decimal | None:
    """None where something is unknown that matters: nothing costs nothing, whatever its rate."""
    if count == 0 or rate == 0:
        return ZERO
    return None if count is None or rate is None else count * rate / unit


def cost_of(price: Price, usage: Usage, *, queries: int = 0) -> Decimal | None:
    """What a call costs in the price's currency; None where it is unknown.

    Prompt tokens include those read from and written to the cache, completion tokens include
    reasoning. Where no rate of their own is known, cached and written tokens cost what input
    costs and reasoning tokens what output costs, as providers without such a rate charge them.
    """
    rates = price.rates_for(usage.prompt_tokens)
    cached = usage.cached_tokens or 0
    written = usage.cache_write_tokens or 0
    thought = usage.reasoning_tokens or 0
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    plain = None if prompt is None else max(0, prompt - cached - written)
    said = None if completion is None else max(0, completion - thought)
    parts = (
        _part(plain, rates.input),
        _part(cached, rates.input if rates.cached_input is None else rates.cached_input),
        _part(written, rates.input if rates.cache_write is None else rates.cache_write),
        _part(said, rates.output),
        _part(thought, rates.output if rates.reasoning is None else rates.reasoning),
        _part(queries, price.per_query, Decimal(1)),
    )
    known = [part for part in parts if part is not None]
    return sum(known, ZERO) if len(known) == len(parts) else None
