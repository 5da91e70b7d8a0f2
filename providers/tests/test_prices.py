"""Prices and costs: which row applies, tiers, dates, cached and reasoning tokens, currencies."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User
from providers.models import ModelPrice, OwnPrice, Provider, ProviderModel
from providers.prices import cost_of, price_book, price_of, price_of_model
from providers.rates import Price, Rates, Tier
from providers.types import Usage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
FULL = Rates(*(Decimal(text) for text in ("2", "8", "0.2", "2.5", "10")))
PRICE = Price("USD", FULL)


@pytest.fixture(autouse=True)
def _empty_table(db: None) -> None:
    ModelPrice.objects.all().delete()


def row(slug: str = "acme", pattern: str = "m", **fields: Any) -> ModelPrice:
    values = {"valid_from": date(2026, 1, 1), "input_per_mtok": Decimal(1)} | fields
    return ModelPrice.objects.create(provider_slug=slug, model_pattern=pattern, **values)


def found(model_id: str, slug: str = "acme", at: datetime = NOW) -> int | None:
    price = price_of(slug, model_id, at)
    return price.row_id if price else None


def test_the_nearest_row_applies() -> None:
    everywhere, longer = row("*", "*"), row("*", "gpt-*")
    own, exact, foreign = row("acme", "gpt*"), row("acme", "gpt-5"), row("other", "gpt-5")
    anywhere_exact = row("*", "gpt-6")
    assert found("gpt-5") == exact.pk
    assert found("GPT-5") == exact.pk
    assert found("gpt-5", "other") == foreign.pk
    assert found("gpt-4") == own.pk
    assert found("gpt-4", "third") == longer.pk
    assert found("gpt-6") == anywhere_exact.pk
    assert found("claude") == everywhere.pk
    assert found("claude", "") == everywhere.pk


def test_a_pattern_is_whole_and_knows_only_the_star() -> None:
    row(pattern="a.c*")
    row(pattern="[x]?")
    assert found("a.cd") and not found("abcd") and not found("xa.cd")
    assert found("[x]?") and not found("x1")


def test_unknown_is_none() -> None:
    assert price_of("acme", "m", NOW) is None


def test_the_latest_valid_row_applies() -> None:
    old = row(valid_from=date(2026, 1, 1))
    new = row(valid_from=date(2026, 11, 1))
    row(valid_from=date(2027, 1, 1))
    assert found("m") == new.pk
    assert found("m", at=datetime(2026, 10, 31, 12, tzinfo=UTC)) == old.pk
    assert found("m", at=datetime(2025, 12, 30, tzinfo=UTC)) is None


def test_one_row_a_day() -> None:
    row()
    with pytest.raises(IntegrityError), transaction.atomic():
        row()


def test_a_book_asks_once(django_assert_num_queries: Any) -> None:
    row()
    row("*", "z*")
    with django_assert_num_queries(1):
        book = price_book("acme")
        assert book.price_of("acme", "m", NOW) and book.price_of("acme", "zz", NOW)
        assert book.price_of("acme", "q", NOW) is None


WEEKEND = {
    "input": 0.5,
    "windows_utc": [
        {"weekdays_1_is_monday": [4], "hours": ["00:00-01:00", "22:00-00:00"]},
        {"weekdays_1_is_monday": [6, 7], "hours": ["00:00-00:00"]},
    ],
}


@pytest.mark.parametrize(
    ("day", "hour", "minute", "is_cheap"),
    [
        *((26, 0, 0, True), (26, 0, 59, True), (26, 1, 0, False), (26, 21, 59, False)),
        *((26, 22, 0, True), (26, 23, 59, True), (27, 0, 0, False)),
        *((28, 0, 0, True), (28, 12, 0, True), (29, 23, 59, True), (30, 0, 0, False)),
    ],
)
def test_off_peak_hours_have_their_own_rates(
    day: int, hour: int, minute: int, is_cheap: bool
) -> None:
    row(off_peak=WEEKEND, output_per_mtok=3)
    price = price_of("acme", "m", datetime(2026, 11, day, hour, minute, tzinfo=UTC))
    assert price is not None
    assert price.rates == Rates(Decimal("0.5" if is_cheap else 1), Decimal(3))


def test_off_peak_is_the_same_moment_in_every_zone() -> None:
    row(off_peak=WEEKEND)
    beijing = datetime.fromisoformat("2026-11-26T08:30:00+08:00")
    price = price_of("acme", "m", beijing)
    assert price is not None and price.rates.input == Decimal("0.5")


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(1_000_000, 1_000_000), "10"),
        (Usage(1_000_000, 0), "2"),
        (Usage(0, 0), "0"),
        (Usage(1_000_000, 0, cached_tokens=400_000), "1.28"),
        (Usage(0, 1_000_000, reasoning_tokens=250_000), "8.5"),
        (Usage(10, 10, reasoning_tokens=10, cached_tokens=10), "0.000102"),
        (Usage(10, 10, reasoning_tokens=99, cached_tokens=0), "0.00101"),
        (Usage(None, 10), None),
        (Usage(10, None), None),
        (Usage(), None),
    ],
)
def test_costs(usage: Usage, cost: str | None) -> None:
    assert cost_of(PRICE, usage) == (None if cost is None else Decimal(cost))


def test_tokens_written_to_the_cache_have_their_own_rate() -> None:
    assert cost_of(PRICE, Usage(1_000_000, 0, cache_write_tokens=400_000)) == Decimal("2.2")


def test_unknown_is_not_zero_and_zero_is_a_price() -> None:
    usage = Usage(100, 100, reasoning_tokens=50, cached_tokens=50)
    assert cost_of(Price("USD", Rates()), usage) is None
    assert cost_of(Price("USD", Rates(input=Decimal(1))), usage) is None
    free = Price("USD", Rates(Decimal(0), Decimal(0)))
    assert cost_of(free, usage) == 0 and cost_of(free, Usage()) == 0
    assert cost_of(Price("USD", Rates(input=Decimal(1))), Usage(1_000_000, 0)) == 1


def test_what_has_no_rate_of_its_own_costs_what_contains_it() -> None:
    price = Price("USD", Rates(Decimal(2), Decimal(8)))
    usage = Usage(1_000_000, 1_000_000, reasoning_tokens=500_000, cached_tokens=500_000)
    assert cost_of(price, usage) == 10
    zero = Price("USD", Rates(Decimal(2), Decimal(8), Decimal(0), None, Decimal(0)))
    assert cost_of(zero, usage) == 5


def test_an_embedding_has_no_answer() -> None:
    price = Price("USD", Rates(Decimal("0.02"), Decimal(0)))
    assert cost_of(price, Usage(500_000)) == Decimal("0.01")


def test_search_queries_have_a_price_each() -> None:
    price = Price("USD", Rates(Decimal(0), Decimal(0)), per_query=Decimal("0.002"))
    assert cost_of(price, Usage(), queries=3) == Decimal("0.006")
    assert cost_of(replace(price, per_query=None), Usage(), queries=1) is None


TIERED = replace(
    PRICE,
    tiers=(
        Tier(200_000, Rates(Decimal(4), Decimal(16))),
        Tier(500_000, Rates(Decimal(8), Decimal(32))),
    ),
)


@pytest.mark.parametrize(
    ("prompt", "cost"),
    [
        (200_000, "0.4"),
        (200_001, "0.800004"),
        (500_000, "2"),
        (1_000_000, "8"),
        (0, "0"),
    ],
)
def test_a_tier_prices_the_whole_call(prompt: int, cost: str) -> None:
    assert cost_of(TIERED, Usage(prompt, 0)) == Decimal(cost)


def test_tiers_come_from_the_row() -> None:
    tier = {"above_input_tokens": 0, "input": 0.3, "output": 1.5, "cached_input": 0.08}
    row(input_per_mtok=None, tiers=[tier, {**tier, "above_input_tokens": 100, "input": 0.6}])
    price = price_of("acme", "m", NOW)
    assert price is not None
    assert cost_of(price, Usage(100, 0)) == Decimal("0.00003")
    assert cost_of(price, Usage(101, 0)) == Decimal("0.0000606")


def test_a_cost_is_in_the_currency_of_its_price() -> None:
    row(pattern="yuan", currency="CNY", input_per_mtok=Decimal(7), output_per_mtok=Decimal(14))
    row(pattern="dollar", input_per_mtok=Decimal(1), output_per_mtok=Decimal(2))
    usage = Usage(1_000_000, 500_000)
    shown = {}
    for model_id in ("yuan", "dollar"):
        price = price_of("acme", model_id, NOW)
        assert price is not None
        shown[price.currency] = cost_of(price, usage)
    assert shown == {"CNY": Decimal(14), "USD": Decimal(2)}


def test_what_a_person_entered_at_the_model_wins(alice: User) -> None:
    provider = Provider.objects.create(
        owner=alice, preset="custom", base_url="https://api.deepseek.com/v1"
    )
    model = ProviderModel.objects.create(provider=provider, model_id="m")
    assert price_of_model(model, NOW) is None
    table = row("deepseek")
    assert price_of_model(model, NOW).row_id == table.pk  # type: ignore[union-attr]
    OwnPrice.objects.create(model=model, valid_from=date(2026, 1, 1), input_per_mtok=Decimal(0))
    price = price_of_model(model, NOW)
    assert price is not None and price.row_id is None
    assert (price.currency, price.rates) == ("USD", Rates(input=Decimal(0)))


@pytest.mark.parametrize(
    "tiers",
    [
        {},
        "x",
        [1],
        [{"input": 1}],
        [{"above_input_tokens": "x"}],
        [{"above_input_tokens": 1, "input": -1}],
        [{"above_input_tokens": 1, "input": "NaN"}],
        [{"above_input_tokens": 1, "input": "dear"}],
    ],
)
def test_odd_tiers_are_refused(tiers: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelPrice(model_pattern="m", tiers=tiers).full_clean()
    assert "tiers" in caught.value.error_dict


@pytest.mark.parametrize(
    "off_peak",
    [
        {"input": 1},
        {"input": 1, "windows_utc": 3},
        {"windows_utc": [{"weekdays_1_is_monday": [1], "hours": ["25:00-26:00"]}]},
        {"windows_utc": [{"weekdays_1_is_monday": [1], "hours": [7]}]},
        {"windows_utc": [{"hours": []}]},
        [1],
    ],
)
def test_odd_windows_are_refused(off_peak: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelPrice(model_pattern="m", off_peak=off_peak).full_clean()
    assert "off_peak" in caught.value.error_dict


def test_negative_rates_are_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        ModelPrice(model_pattern="m", output_per_mtok=Decimal(-1)).full_clean()
    assert "output_per_mtok" in caught.value.error_dict


def test_the_providers_page_shows_prices(alice: User, client_for: Any) -> None:
    provider = Provider.objects.create(owner=alice, kind="openai", name="A", preset="acme")
    known, own = {"input_per_mtok": Decimal("2.50"), "currency": "CNY"}, Decimal("0.000000")
    row(pattern="table", **known)
    row(pattern="tiered", tiers=[{"above_input_tokens": 0, "input": 10, "output": 100}])
    for name, price in (("table", None), ("tiered", None), ("own", own), ("unknown", None)):
        model = ProviderModel.objects.create(provider=provider, model_id=name, name=name)
        if price is not None:
            OwnPrice.objects.create(model=model, input_per_mtok=price)
    response = client_for(alice).get(f"/providers/{provider.pk}/")
    shown = {model.model_id: text for model, text in response.context["rows"]}
    assert shown == {
        "table": "CNY 2.5 / –",
        "tiered": "USD 10 / 100",
        "own": "USD 0 / –",
        "unknown": "–",
    }
    assert "CNY 2.5 / –" in response.text
