"""Prices of the installed package genai-prices (MIT), which its makers keep up to date.

It knows prices in USD, tiers by input tokens and days from which a price holds. What depends on the
time of day is left out: the package knows no weekdays, and the price table does.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from providers.price_import import MAX_ID, PriceFile

PACKAGE = "genai-prices"
# The package's words for those of our presets that it names otherwise.
SLUGS = {"google": "gemini", "x-ai": "xai", "moonshotai": "moonshot", "zai": "zhipu"}
RATES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "reasoning": "output_reasoning_mtok",
}


class PackageMissing(Exception):
    """It is not installed."""


def installed_version() -> str:
    """Empty where it is not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return ""


def read_package(*, slugs: Iterable[str], day: date) -> PriceFile:
    """The prices of `day`. Raises PackageMissing."""
    try:
        # A third of a second and some memory: only when somebody asks.
        from genai_prices.data import providers
    except ImportError as error:
        raise PackageMissing from error
    known = frozenset(slugs)
    rows = [
        row
        for provider in providers
        if (slug := SLUGS.get(provider.id, provider.id)) in known
        for row in _rows(slug, provider.models, day)
    ]
    return PriceFile(f"{PACKAGE} {installed_version()}", day, rows, is_prices_only=True)


def _rows(slug: str, models: Iterable[Any], day: date) -> Iterator[dict[str, Any]]:
    for model in models:
        prices = _prices_on(model.prices, day)
        rates = {name: getattr(prices, of, None) for name, of in RATES.items()}
        if len(model.id) > MAX_ID or rates["input"] is None:
            continue
        yield {
            "provider_slug": slug,
            "model_pattern": model.id,
            **{f"{name}_per_mtok": _rate(price) for name, price in rates.items()},
            "tiers": _tiers(rates),
            "off_peak": {},
            "context_tokens": model.context_window,
        }


def _prices_on(prices: Any, day: date) -> Any:
    """The last that has begun; None where the time of day decides."""
    if not isinstance(prices, list):
        return prices
    found = None
    for each in prices:
        start = getattr(each.constraint, "start_date", None)
        if each.constraint is not None and start is None:
            return None
        if start is None or start <= day:
            found = each.prices
    return found


def _rate(price: Any, above: int = 0) -> Decimal | None:
    """`price` is a number, or one with tiers of which `above` tokens reach some."""
    if price is None:
        return None
    reached = [tier for tier in getattr(price, "tiers", ()) if tier.start <= above]
    found = reached[-1].price if reached else getattr(price, "base", price)
    return Decimal(found).quantize(Decimal("0.000001"))


def _tiers(rates: dict[str, Any]) -> list[dict[str, Any]]:
    starts = {tier.start for price in rates.values() for tier in getattr(price, "tiers", ())}
    return [
        {"above_input_tokens": start}
        | {
            name: float(rate)
            for name, price in rates.items()
            if (rate := _rate(price, start)) is not None
        }
        for start in sorted(starts)
    ]
