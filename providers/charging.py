"""What a call costs, decided in one place for chats, the gateway and whatever else is charged.

What the provider itself charges wins, then the price of the model at the moment of the call. What
neither tells is unknown, which is not zero.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, QuerySet, Sum

from providers.changes import models_changed
from providers.models import UNKNOWN_COST, CallRecord, CostSource, Kind, ProviderModel
from providers.presets import catalog_slug
from providers.prices import PriceBook, price_book, price_of_model
from providers.rates import NOT_RATES, Price, Rates, cost_of
from providers.types import Usage

logger = logging.getLogger(__name__)

# A price that is changed in another process applies within this time, here at once.
TARIFF_FOR_S = 10.0
UNIT = Decimal("0.0000000001")  # what CallRecord.cost keeps
MOST = Decimal(10) ** 10
DOLLARS = "USD"
FREE = Price(DOLLARS, Rates(Decimal(0), Decimal(0)))


@dataclass(frozen=True)
class Charge:
    """`cost` None: unknown. `price_id` or `own_price_id`: the price that was applied, of the price
    table or of the model itself."""

    cost: Decimal | None = None
    currency: str = ""
    source: str = CostSource.UNKNOWN
    price_id: int | None = None
    own_price_id: int | None = None


def _kept(cost: Decimal) -> Decimal | None:
    """As the ledger keeps it; None for what it cannot hold."""
    return cost.quantize(UNIT) if cost.is_finite() and 0 <= cost < MOST else None


def _stated(usage: Usage) -> Charge | None:
    """What the provider says that it charges, where that is usable."""
    currency = (usage.currency or DOLLARS).strip().upper()
    cost = None if usage.cost is None else _kept(usage.cost)
    if cost is None or len(currency) != 3 or not currency.isascii() or not currency.isalpha():
        return None
    return Charge(cost, currency, CostSource.PROVIDER)


@dataclass
class Tariff:
    """Models and their prices as they were when first asked for; threads may share it."""

    _models: dict[int, ProviderModel | None] = field(default_factory=dict)
    _books: dict[str, PriceBook] = field(default_factory=dict)
    _prices: dict[tuple[int, datetime], Price | None] = field(default_factory=dict)

    def price_of(self, model_pk: int, at: datetime) -> Price | None:
        # Rows are valid from a day on and off-peak hours from a minute on.
        key = model_pk, at.replace(second=0, microsecond=0)
        if key not in self._prices:
            self._prices[key] = self._look_up(model_pk, at)
        return self._prices[key]

    def knows(self, model_pk: int, at: datetime) -> bool:
        """Whether `charge` will reach no database."""
        return (model_pk, at.replace(second=0, microsecond=0)) in self._prices

    def _look_up(self, model_pk: int, at: datetime) -> Price | None:
        if model_pk not in self._models:
            rows = ProviderModel.objects.select_related("provider").prefetch_related("own_prices")
            self._models[model_pk] = rows.filter(pk=model_pk).first()
        model = self._models[model_pk]
        if model is None:
            return None
        slug = catalog_slug(model.provider.preset, model.provider.base_url)
        if slug not in self._books:
            self._books[slug] = price_book(slug)
        try:
            price = price_of_model(model, at, self._books[slug])
            return FREE if price is None and model.provider.kind == Kind.ECHO else price
        except NOT_RATES:
            # A call is recorded whatever somebody wrote into the price table.
            logger.exception("the price of %s cannot be read", model.model_id)
            return None

    def charge(self, usage: Usage, *, model_pk: int | None, at: datetime) -> Charge:
        """What a call at `at` costs; `usage` is the provider's or an estimate."""
        stated = _stated(usage)
        if stated is not None:
            return stated
        price = None if model_pk is None else self.price_of(model_pk, at)
        found = None if price is None else cost_of(price, usage)
        cost = None if found is None else _kept(found)
        if price is None or cost is None:
            return Charge()
        return Charge(cost, price.currency, CostSource.PRICE, price.row_id, price.own_id)


class _Current:
    """The tariff of the moment, one a process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tariff = Tariff()
        self._until = float("-inf")

    def get(self) -> Tariff:
        with self._lock:
            if self._clock() >= self._until:
                self._tariff, self._until = Tariff(), self._clock() + TARIFF_FOR_S
            return self._tariff

    def forget(self, **_signal: Any) -> None:
        """The next call is priced anew."""
        self._until = float("-inf")


_current = _Current()
current_tariff = _current.get
forget_prices = _current.forget
models_changed.connect(forget_prices)


def ledger_fields(usage: Usage, charge: Charge) -> dict[str, Any]:
    """Fields of a CallRecord: what was used, and what it costs."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "cost": charge.cost,
        "currency": charge.currency,
        "cost_source": charge.source,
        "price_id": charge.price_id,
        "own_price_id": charge.own_price_id,
    }


def spent(
    *, user_id: int | None = None, key_id: int | None = None, since: datetime | None
) -> dict[str, Decimal]:
    """What was charged since then (None: ever) in each currency, by a user or with a key, or in
    all.

    Calls of unknown cost are not in it, nor those of which the gateway has not yet written the
    record (about half a second).
    """
    rows = _charged(since)
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if key_id is not None:
        rows = rows.filter(api_key_id=key_id)
    sums = rows.values_list("currency").annotate(Sum("cost"))
    return {currency: total.quantize(UNIT) for currency, total in sums}


def spent_by(
    column: str, values: Sequence[int], since: datetime | None
) -> dict[tuple[int, str], Decimal]:
    """The same for each of `values` in a column of the ledger and each currency, at once."""
    rows = _charged(since).filter(**{f"{column}__in": values})
    sums = rows.values_list(column, "currency").annotate(Sum("cost"))
    return {(value, currency): total.quantize(UNIT) for value, currency, total in sums}


def unknown_by(column: str, values: Sequence[int], since: datetime | None) -> dict[int, int]:
    """How many calls cost nobody knows what, for each of `values` that has such calls."""
    rows = _since(since).filter(UNKNOWN_COST, **{f"{column}__in": values})
    return dict(rows.values_list(column).annotate(Count("pk")))


def _charged(since: datetime | None) -> QuerySet[CallRecord]:
    return _since(since).filter(cost__isnull=False)


def _since(since: datetime | None) -> QuerySet[CallRecord]:
    rows = CallRecord.objects.order_by()
    return rows if since is None else rows.filter(at__gte=since)
