"""A model's own prices: dated, in USD or CNY, with a history."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from providers.models import ModelPrice, OwnPrice, Provider, ProviderModel
from providers.own_prices import history, set_price
from providers.prices import own_price, price_of_model

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
Pages = Callable[[User], Client]


@pytest.fixture
def model(db: None, alice: User) -> ProviderModel:
    ModelPrice.objects.all().delete()
    provider = Provider.objects.create(owner=alice, name="Acme", preset="deepseek")
    return ProviderModel.objects.create(provider=provider, model_id="m", name="m", types=["chat"])


def of_table(day: date, rate: int, **fields: Any) -> ModelPrice:
    values = {"provider_slug": "deepseek", "model_pattern": "m", "input_per_mtok": rate} | fields
    return ModelPrice.objects.create(valid_from=day, **values)


def cost(model: ProviderModel, at: datetime) -> Any:
    price = price_of_model(ProviderModel.objects.get(pk=model.pk), at)
    return None if price is None else (price.currency, price.rates.input)


def test_each_day_has_its_price(model: ProviderModel, alice: User) -> None:
    of_table(date(2026, 1, 1), 1)
    set_price(model=model, actor=alice, valid_from=date(2026, 11, 1), currency="CNY",
              input_per_mtok=Decimal(7))  # fmt: skip
    set_price(model=model, actor=alice, valid_from=date(2026, 12, 1), input_per_mtok=Decimal(9))
    assert cost(model, datetime(2026, 10, 31, 12, tzinfo=UTC)) == ("USD", 1)
    assert cost(model, NOW) == ("CNY", 7)
    assert cost(model, NOW + timedelta(days=9)) == ("USD", 9)
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert list(actions) == ["model.price", "model.price"]


def test_a_price_of_the_same_day_is_replaced(model: ProviderModel, alice: User) -> None:
    for rate in (Decimal(1), Decimal(2)):
        set_price(model=model, actor=alice, valid_from=date(2026, 1, 1), input_per_mtok=rate,
                  reasoning_per_mtok=Decimal(3))  # fmt: skip
    [row] = OwnPrice.objects.all()
    assert (row.input_per_mtok, row.reasoning_per_mtok, row.output_per_mtok) == (2, 3, None)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "input_per_mtok"),
        ({"output_per_mtok": Decimal(-1)}, "output_per_mtok"),
        ({"input_per_mtok": Decimal(1), "currency": "EUR"}, "currency"),
    ],
)
def test_odd_prices_are_refused(
    model: ProviderModel, alice: User, fields: dict[str, Any], name: str
) -> None:
    with pytest.raises(ValidationError) as error:
        set_price(model=model, actor=alice, **fields)
    assert name in error.value.message_dict and not OwnPrice.objects.exists()


def test_the_history_says_what_applies(model: ProviderModel, alice: User) -> None:
    old, new = of_table(date(2026, 1, 1), 1), of_table(date(2026, 6, 1), 2)
    of_table(date(2026, 6, 1), 3, model_pattern="other")
    assert [(r.row, r.is_current) for r in history(model, NOW)] == [(new, True), (old, False)]
    own = set_price(
        model=model, actor=alice, valid_from=date(2026, 7, 1), input_per_mtok=Decimal(0)
    )
    later = set_price(
        model=model, actor=alice, valid_from=date(2027, 7, 1), input_per_mtok=Decimal(5)
    )
    rows = history(model, NOW)
    assert [row.row for row in rows] == [later, own, new, old]
    assert [row.is_current for row in rows] == [False, True, False, False]
    assert [row.is_future for row in rows] == [True, False, False, False]
    assert rows[1].shown["input"] == "USD 0" and rows[1].shown["output"] == "–"


def test_the_page_shows_sets_and_removes(
    model: ProviderModel, alice: User, bob: User, client_for: Pages
) -> None:
    of_table(date(2026, 1, 1), 2, source="litellm", output_per_mtok=8)
    client, path = client_for(alice), f"/providers/{model.provider_id}/models/{model.pk}/"
    page = client.get(path)
    assert "litellm" in page.text and "Applies now" in page.text and "USD 2" in page.text
    assert page.context["price_form"]["input_per_mtok"].value() == "2", "starts from what applies"
    given = {"valid_from": str(timezone.localdate()), "currency": "CNY", "input_per_mtok": "0.5"}
    wrong = client.post(
        path + "prices/", given | {"input_per_mtok": "-1", "output_per_mtok": "7.5"}
    )
    assert wrong.status_code == 422 and 'value="7.5"' in wrong.text
    assert "Nothing is saved yet" in wrong.text
    assert client_for(bob).post(path + "prices/", given).status_code == 404
    assert client.post(path + "prices/", given | {"reasoning_per_mtok": "1"}).status_code == 302
    assert "CNY 0.5" in client.get(path).text
    row = OwnPrice.objects.get()
    assert client.post(f"{path}prices/{row.pk}/remove/").status_code == 302
    assert own_price(ProviderModel.objects.get(), timezone.now()) is None


def test_the_api_has_them_too(model: ProviderModel, alice: User, bob: User, api: Any) -> None:
    of_table(date(2026, 1, 1), 2, source="litellm")
    path = f"models/{model.pk}/prices"
    made = api(alice).post(path, currency="CNY", input="1.5", cached_input=0, reasoning="4")
    assert made.status_code == 201
    first, second = made.json()
    assert first["is_current"] and (first["currency"], float(first["reasoning"])) == ("CNY", 4)
    assert second["id"] is None and second["source"] == "litellm" and not second["is_current"]
    assert api(bob).get(path).status_code == 404
    assert api(bob).delete(f"{path}/{first['id']}").status_code == 404
    assert api(alice).post(path).status_code == 422
    assert api(alice).post(path, input=-1).status_code == 422
    assert api(alice).post(path, input=1, currency="EUR").status_code == 422
    assert api(alice).delete(f"{path}/{first['id']}").status_code == 204
    assert len(api(alice).get(path).json()) == 1


def test_the_short_way_sets_usd_from_today(model: ProviderModel, alice: User, api: Any) -> None:
    path = f"models/{model.pk}"
    answer = api(alice).patch(path, price_in_usd_per_mtok="1.5", name="M")
    assert answer.status_code == 200 and answer.json()["name"] == "M"
    assert Decimal(answer.json()["price_in_usd_per_mtok"]) == Decimal("1.5")
    api(alice).patch(path, price_out_usd_per_mtok=3)
    [listed] = api(alice).get("models").json()["items"]
    assert (float(listed["price_in_usd_per_mtok"]), float(listed["price_out_usd_per_mtok"])) == (
        1.5,
        3,
    )
    api(alice).patch(path, price_in_usd_per_mtok=None, price_out_usd_per_mtok=None)
    assert not OwnPrice.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_older_prices_of_models_are_kept(alice: User) -> None:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    older = executor.migrate([("providers", "0006_connection_settings")])
    provider = older.apps.get_model("providers", "Provider").objects.create(name="p")
    model = older.apps.get_model("providers", "ProviderModel").objects.create(
        provider=provider, model_id="m", price_in_usd_per_mtok=Decimal("1.5")
    )
    try:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
        row = OwnPrice.objects.get(model_id=model.pk)
        assert (row.currency, row.input_per_mtok, row.output_per_mtok) == (
            "USD",
            Decimal("1.5"),
            None,
        )
        assert row.valid_from == provider.created_at.date()
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
