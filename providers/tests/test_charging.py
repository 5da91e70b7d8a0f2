"""What a call costs: the provider's own word, the price of its day, unknown and zero; once."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import ApiKey, User
from providers.charging import Charge, Tariff, current_tariff, forget_prices, spent
from providers.gateway.ledger_writing import write
from providers.gateway.records import Call
from providers.measuring import Measurement
from providers.models import CallRecord, ModelPrice, Provider, ProviderModel
from providers.price_import import import_prices, read_seed
from providers.services import record_call, target_of
from providers.types import Usage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)  # a Thursday
MILLION = Usage(1_000_000, 1_000_000)


@pytest.fixture
def model(db: None, alice: User) -> ProviderModel:
    ModelPrice.objects.all().delete()
    provider = Provider.objects.create(owner=alice, name="Acme", preset="deepseek")
    return ProviderModel.objects.create(provider=provider, model_id="m", name="m", types=["chat"])


def price(**fields: Any) -> ModelPrice:
    values = {"input_per_mtok": Decimal(1), "output_per_mtok": Decimal(3)}
    values |= {"valid_from": date(2026, 1, 1)} | fields
    return ModelPrice.objects.create(provider_slug="deepseek", model_pattern="m", **values)


def charge(model: ProviderModel, usage: Usage = MILLION, at: datetime = NOW) -> Charge:
    return Tariff().charge(usage, model_pk=model.pk, at=at)


def test_the_price_table_says_what_a_call_costs(model: ProviderModel) -> None:
    row = price(currency="CNY")
    assert charge(model) == Charge(Decimal(4), "CNY", "price", row.pk)


def test_what_the_provider_charges_wins(model: ProviderModel) -> None:
    price()
    said = Usage(1_000_000, 1_000_000, cost=Decimal("0.5"))
    assert charge(model, said) == Charge(Decimal("0.5"), "USD", "provider")
    free = Usage(9, 9, cost=Decimal(0), currency="cny")
    assert charge(model, free) == Charge(Decimal(0), "CNY", "provider")


@pytest.mark.parametrize(
    ("cost", "currency"),
    [("-1", "USD"), ("NaN", "USD"), ("Infinity", "USD"), ("1E+12", "USD"), ("1", "credits")],
)
def test_a_cost_that_cannot_be_is_none(model: ProviderModel, cost: str, currency: str) -> None:
    price()
    said = Usage(1_000_000, 1_000_000, cost=Decimal(cost), currency=currency)
    assert charge(model, said).source == "price"


def test_unknown_is_not_zero(model: ProviderModel) -> None:
    assert charge(model) == Charge()
    assert Tariff().charge(MILLION, model_pk=None, at=NOW) == Charge()
    row = price(input_per_mtok=Decimal(0), output_per_mtok=Decimal(0))
    assert charge(model) == Charge(Decimal(0), "USD", "price", row.pk)
    assert charge(model, Usage()).cost == 0, "nothing costs nothing, however much it was"
    row.output_per_mtok = None
    row.save()
    assert charge(model) == Charge()


def test_a_person_may_set_the_price_of_a_model(model: ProviderModel) -> None:
    price()
    own = model.own_prices.create(
        valid_from=NOW.date(), input_per_mtok=7, output_per_mtok=0, currency="CNY"
    )
    assert charge(model) == Charge(Decimal(7), "CNY", "price", None, own.pk)
    assert charge(model, at=NOW - timedelta(days=1)).currency == "USD", "the table's, before it"


def test_the_price_of_the_calls_own_day_applies(model: ProviderModel) -> None:
    price()
    newer = price(valid_from=date(2026, 11, 20), input_per_mtok=Decimal(2))
    assert charge(model).price_id == newer.pk
    assert charge(model, at=NOW - timedelta(days=10)).cost == 4
    assert charge(model, at=NOW - timedelta(days=1000)) == Charge()


def test_tiers_cached_and_reasoning_tokens(model: ProviderModel) -> None:
    tier = {"above_input_tokens": 200_000, "input": 2, "output": 6, "cached_input": 1}
    price(tiers=[tier], cached_input_per_mtok=Decimal("0.1"), reasoning_per_mtok=Decimal(5))
    small = Usage(100_000, 100_000, cached_tokens=50_000, reasoning_tokens=50_000)
    assert charge(model, small).cost == Decimal("0.455")
    assert charge(model, Usage(300_000, 0, cached_tokens=100_000)).cost == Decimal("0.5")


def test_a_price_nobody_can_read_loses_no_call(model: ProviderModel) -> None:
    price(tiers=[{"nonsense": 1}])
    assert charge(model) == Charge()


def test_prices_are_read_once_for_some_seconds(
    model: ProviderModel, django_assert_num_queries: Any
) -> None:
    price()
    forget_prices()
    with django_assert_num_queries(3):
        for _each in range(3):
            current_tariff().charge(MILLION, model_pk=model.pk, at=NOW)


def test_the_seeded_prices_apply(model: ProviderModel) -> None:
    import_prices(read_seed(), ModelPrice)
    seeded = ModelPrice.objects.filter(provider_slug="deepseek", tiers=[]).exclude(
        input_per_mtok=None
    )
    row = seeded.exclude(output_per_mtok=None)[0]
    model.model_id = row.model_pattern
    model.save()
    found = charge(model, at=timezone.now())
    assert row.input_per_mtok is not None and row.output_per_mtok is not None
    assert found.cost == row.input_per_mtok + row.output_per_mtok


def call(user: User, key: ApiKey, model: ProviderModel, **fields: Any) -> Call:
    made = Call(user_id=user.pk, key_id=key.pk, model_pk=model.pk, model_label="m", **fields)
    made.usage = Usage(1_000_000, 0, cache_write_tokens=5)
    made.end("done")
    return made


def test_a_batch_that_is_written_again_adds_nothing(model: ProviderModel, alice: User) -> None:
    row = price()
    key, _text = ApiKey.issue(user=alice, name="k")
    first, second = call(alice, key, model), call(alice, key, model)
    write([first], [])
    write([first, second], [])
    rows = list(CallRecord.objects.order_by("pk"))
    assert [each.call_id for each in rows] == [first.call_id, second.call_id]
    assert [(each.cost, each.currency, each.price_id) for each in rows] == [
        (Decimal(1), "USD", row.pk)
    ] * 2
    assert rows[0].cache_write_tokens == 5 and rows[0].kind == "chat"


def test_only_what_is_gone_is_let_go(
    transactional_db: None, model: ProviderModel, alice: User
) -> None:
    key, _text = ApiKey.issue(user=alice, name="k")
    ended = call(alice, key, model)
    model.provider.delete()
    write([ended], [])
    row = CallRecord.objects.get()
    assert (row.user_id, row.api_key_id, row.model_id) == (alice.pk, key.pk, None)


def test_a_chat_is_charged_once(model: ProviderModel, alice: User) -> None:
    price()
    measured = Measurement(usage=Usage(500_000, 0))
    call_id = Call(user_id=1, key_id=1).call_id
    for _each in range(2):
        row = record_call(
            target=target_of(model),
            user=alice,
            source="chat",
            status="done",
            measured=measured,
            call_id=call_id,
        )
    assert CallRecord.objects.get() == row
    assert (row.cost, row.currency, row.cost_source) == (Decimal("0.5"), "USD", "price")


def test_the_ledger_is_only_added_to(model: ProviderModel, alice: User) -> None:
    record_call(
        target=target_of(model), user=alice, source="chat", status="done", measured=Measurement()
    )
    with pytest.raises(TypeError):
        CallRecord.objects.update(cost=0)
    with pytest.raises(TypeError):
        CallRecord.objects.all().delete()
    alice.delete()
    assert CallRecord.objects.get().user_id is None


def test_spent(
    model: ProviderModel, alice: User, bob: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    key, _text = ApiKey.issue(user=alice, name="k")
    long_ago = NOW - timedelta(days=40)
    for who, cost, currency, at, with_key in (
        *((alice, "0.1", "USD", NOW, key), (alice, "0.2", "USD", NOW, None)),
        *((alice, "3", "CNY", NOW, None), (alice, None, "", NOW, key)),
        *((alice, "9", "USD", long_ago, key), (bob, "5", "USD", NOW, None)),
    ):
        CallRecord.objects.create(
            user=who, cost=cost, currency=currency, at=at, api_key=with_key, status="done"
        )
    since = NOW - timedelta(days=1)
    with django_assert_num_queries(1):
        found = spent(user_id=alice.pk, since=since)
    assert found == {"USD": Decimal("0.3"), "CNY": Decimal(3)}
    assert spent(key_id=key.pk, since=since) == {"USD": Decimal("0.1")}
    assert spent(since=since) == {"USD": Decimal("5.3"), "CNY": Decimal(3)}
    assert spent(user_id=bob.pk, since=NOW + timedelta(seconds=1)) == {}


def test_a_call_through_the_gateway_has_its_cost(
    sdk: Any, remote: Provider, recorded: Callable[[int], list[CallRecord]]
) -> None:
    own = remote.models.get().own_prices.create(input_per_mtok=1, output_per_mtok=2)
    sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    [row] = recorded(1)
    assert (row.prompt_tokens, row.completion_tokens) == (9, 3)
    assert (row.cost, row.currency, row.cost_source) == (Decimal("0.000015"), "USD", "price")
    assert row.call_id and not row.is_estimated
    assert (row.own_price, row.price) == (own, None), "the price that was applied can be looked up"
    own.delete()
    row.refresh_from_db()
    assert row.own_price is None and row.cost == Decimal("0.000015"), "and its cost stays"
