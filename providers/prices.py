"""Which price a model has at a moment: its own, else that of the price table.

An exact id wins over a pattern, the provider's own row over one for every provider, a longer
pattern over a shorter one, and among the rows of one pattern the latest that is already valid.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.utils import timezone

from providers.models import ModelPrice, OwnPrice, ProviderModel, Rated
from providers.presets import catalog_slug
from providers.rates import NAMES, Price, Rates, cost_of, read_off_peak, read_tiers

__all__ = ["PriceBook", "cost_of", "price_book", "price_of", "price_of_model"]

ANY = "*"


@lru_cache(maxsize=4096)
def pattern(text: str) -> re.Pattern[str]:
    """In which * stands for anything."""
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.IGNORECASE)


def _rank(row: ModelPrice) -> tuple[bool, bool, int, date]:
    is_exact = ANY not in row.model_pattern
    return is_exact, row.provider_slug != ANY, len(row.model_pattern), row.valid_from


def rates_of(row: Rated) -> Rates:
    return Rates(**{name: getattr(row, f"{name}_per_mtok") for name in NAMES})


def read_price(row: ModelPrice, at: datetime) -> Price:
    """The row as it applies at `at`: off-peak rates are already in place."""
    rates = rates_of(row)
    tiers, off_peak = read_tiers(row.tiers), read_off_peak(row.off_peak)
    if off_peak is not None and any(window.holds(at) for window in off_peak.windows):
        cheap = {
            name: rate for name in NAMES if (rate := getattr(off_peak.rates, name)) is not None
        }
        rates, tiers = replace(rates, **cheap), ()
    return Price(row.currency, rates, tiers, row.per_query, row.pk)


def day_of(at: datetime) -> date:
    """The platform's day, on which prices begin."""
    return at.astimezone(timezone.get_default_timezone()).date()


class PriceBook:
    """Rows of the price table, read once and asked often. Asking reaches no database."""

    def __init__(self, rows: Iterable[ModelPrice]) -> None:
        self._exact: dict[str, list[ModelPrice]] = {}
        self._patterns: list[ModelPrice] = []
        for row in rows:
            if ANY in row.model_pattern:
                self._patterns.append(row)
            else:
                self._exact.setdefault(row.model_pattern.lower(), []).append(row)

    def row_of(self, slug: str, model_id: str, at: datetime) -> ModelPrice | None:
        fitting = [row for row in self._patterns if pattern(row.model_pattern).fullmatch(model_id)]
        rows = [
            row
            for row in (*self._exact.get(model_id.lower(), ()), *fitting)
            if row.provider_slug in (slug, ANY) and row.valid_from <= day_of(at)
        ]
        return max(rows, key=_rank, default=None)

    def price_of(self, slug: str, model_id: str, at: datetime) -> Price | None:
        row = self.row_of(slug, model_id, at)
        return None if row is None else read_price(row, at)


def price_book(*slugs: str) -> PriceBook:
    """The prices of some providers, or of all, with those for every provider."""
    rows = ModelPrice.objects.all()
    return PriceBook(rows.filter(provider_slug__in=(*slugs, ANY)) if slugs else rows)


def price_of(provider: str, model_id: str, at: datetime) -> Price | None:
    """`provider` is a preset's slug (see `registry.catalog_slug`). None: unknown."""
    return price_book(provider).price_of(provider, model_id, at)


def own_row(model: ProviderModel, at: datetime) -> OwnPrice | None:
    """What a person entered at the model itself, as it is valid then."""
    valid = [row for row in model.own_prices.all() if row.valid_from <= day_of(at)]
    return max(valid, key=lambda row: row.valid_from, default=None)


def own_price(model: ProviderModel, at: datetime) -> Price | None:
    """It wins over the price table."""
    row = own_row(model, at)
    return None if row is None else Price(row.currency, rates_of(row), own_id=row.pk)


def in_usd(sums: Mapping[str, Decimal]) -> Decimal:
    """Sums by currency as one. A currency that is neither USD nor CNY has no known rate."""
    yuan = sums.get("CNY", Decimal(0))
    return sums.get("USD", Decimal(0)) + (yuan / settings.CNY_PER_USD if yuan else Decimal(0))


def blended_costs(models: Sequence[ProviderModel]) -> dict[int, float]:
    """By primary key, USD for a million tokens, three of input to one of output; models whose
    price is unknown are left out."""
    slugs = {catalog_slug(model.provider.preset, model.provider.base_url) for model in models}
    book, now = price_book(*slugs), timezone.now()
    prefetch_related_objects(models, "own_prices")
    found = {}
    for model in models:
        price = price_of_model(model, now, book)
        rates = price.rates_for(1) if price is not None else Rates()
        if price is not None and rates.input is not None and rates.output is not None:
            cost = (3 * rates.input + rates.output) / 4
            found[model.pk] = float(in_usd({price.currency: cost}))
    return found


def price_of_model(
    model: ProviderModel, at: datetime, book: PriceBook | None = None
) -> Price | None:
    slug = catalog_slug(model.provider.preset, model.provider.base_url)
    return own_price(model, at) or (book or price_book(slug)).price_of(slug, model.model_id, at)
