"""The price table as people use it: looked up by everybody, edited by administrators, by page and
by API. What was is never rewritten."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from accounts.models import AuditEvent, User
from providers.models import ModelPrice
from providers.price_forms import TablePriceForm
from providers.prices import price_of
from providers.table_prices import remove_price, set_price

TODAY = timezone.localdate()
TOMORROW = TODAY + timedelta(days=1)
PAGE = "/providers/prices/"
Pages = Callable[[User], Client]
TIER = {"above_input_tokens": 200_000, "input": 4.0, "output": 18.0}


@pytest.fixture(autouse=True)
def _table(db: None) -> None:
    ModelPrice.objects.all().delete()
    stored("gpt-x", 2, source="litellm", main_type="chat", context_tokens=1000)
    stored("glm-x", 3, provider_slug="zhipu", currency="CNY")
    stored("qwen-*", 5, provider_slug="dashscope", is_edited=True)


def stored(model_id: str, rate: int, **fields: Any) -> ModelPrice:
    values = {"provider_slug": "openai", "valid_from": date(2026, 1, 1)} | fields
    return ModelPrice.objects.create(model_pattern=model_id, input_per_mtok=rate, **values)


def at(day: date) -> datetime:
    return datetime.combine(day, time(12), timezone.get_default_timezone())


def cost(day: date) -> Any:
    price = price_of("openai", "gpt-x", at(day))
    return None if price is None else (price.currency, price.rates.input)


def form(**fields: Any) -> dict[str, Any]:
    return {
        **{"provider_slug": "openai", "model_pattern": "gpt-x", "valid_from": str(TODAY)},
        **{"currency": "USD", "input_per_mtok": "7"},
        **{"tiers-TOTAL_FORMS": "2", "tiers-INITIAL_FORMS": "0"},
        **fields,
    }


def test_an_edit_is_a_row_of_its_own(admin_user: User) -> None:
    old = ModelPrice.objects.get(model_pattern="gpt-x")
    new = set_price(
        actor=admin_user, provider_slug="openai", model_pattern="GPT-x", currency="CNY",
        input_per_mtok=Decimal(9), tiers=[TIER],
    )  # fmt: skip
    old.refresh_from_db()
    assert (old.input_per_mtok, old.is_edited) == (2, False) and new.pk != old.pk
    assert (new.model_pattern, new.valid_from, new.is_edited) == ("gpt-x", TODAY, True)
    assert (new.main_type, new.context_tokens) == ("chat", 1000), "what it can do is known still"
    assert cost(TODAY - timedelta(days=1)) == ("USD", 2) and cost(TODAY) == ("CNY", 9)
    event: Any = AuditEvent.objects.get(action="price.set")
    assert event.after["input_per_mtok"] == "9" and event.after["tiers"] == [TIER]


def test_a_second_one_of_the_day_corrects_the_first(admin_user: User) -> None:
    for rate in (8, 9):
        set_price(
            actor=admin_user, provider_slug="openai", model_pattern="gpt-x",
            valid_from=TOMORROW, input_per_mtok=Decimal(rate),
        )  # fmt: skip
    assert ModelPrice.objects.filter(model_pattern="gpt-x").count() == 2
    assert cost(TODAY) == ("USD", 2) and cost(TOMORROW) == ("USD", 9)
    event: Any = AuditEvent.objects.latest("pk")
    assert event.before["input_per_mtok"] == "8"


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"valid_from": TODAY - timedelta(days=1)}, "valid_from"),
        ({"provider_slug": "nobody"}, "provider_slug"),
        ({"model_pattern": " "}, "model_pattern"),
        ({"input_per_mtok": None}, "input_per_mtok"),
        ({"output_per_mtok": Decimal(-1)}, "output_per_mtok"),
        ({"tiers": [{"input": 1}]}, "tiers"),
        ({"off_peak": {"input": 1}}, "off_peak"),
        ({"currency": "EUR"}, "currency"),
    ],
)
def test_odd_prices_are_refused(admin_user: User, fields: dict[str, Any], name: str) -> None:
    given = {"provider_slug": "openai", "model_pattern": "gpt-x", "input_per_mtok": Decimal(1)}
    with pytest.raises(ValidationError) as error:
        set_price(actor=admin_user, **(given | fields))
    assert name in error.value.message_dict and ModelPrice.objects.count() == 3


def test_only_what_is_not_yet_history_can_be_removed(admin_user: User) -> None:
    for old in ModelPrice.objects.all():
        with pytest.raises(ValidationError, match="today or for later"):
            remove_price(row=old, actor=admin_user)
    new = set_price(
        actor=admin_user, provider_slug="openai", model_pattern="gpt-x", input_per_mtok=Decimal(1)
    )
    remove_price(row=new, actor=admin_user)
    assert cost(TODAY) == ("USD", 2)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"gpt-x", "glm-x", "qwen-*"}),
        ({"q": "X"}, {"gpt-x", "glm-x"}),
        ({"q": "openai gpt"}, {"gpt-x"}),
        ({"provider": "zhipu"}, {"glm-x"}),
        ({"currency": "CNY"}, {"glm-x"}),
        ({"entered": "yes"}, {"qwen-*"}),
        ({"entered": "no", "currency": "USD"}, {"gpt-x"}),
        ({"q": "nothing like it"}, set()),
        ({"currency": "EUR"}, {"gpt-x", "glm-x", "qwen-*"}),
    ],
)
def test_everybody_searches_and_filters(
    alice: User, client_for: Pages, query: dict[str, str], shown: set[str]
) -> None:
    page = client_for(alice).get(PAGE, query)
    assert {row.model_pattern for row in page.context["page"]} == shown
    assert "Enter a price" not in page.text
    assert ("No price fits" in page.text) == (not shown)


def test_earlier_prices_are_shown_when_asked_for(
    admin_user: User, client_for: Pages, api: Any
) -> None:
    for day, rate in ((TODAY, 8), (TOMORROW, 9)):
        set_price(
            actor=admin_user, provider_slug="openai", model_pattern="gpt-x", valid_from=day,
            input_per_mtok=Decimal(rate),
        )  # fmt: skip

    def rates(**query: str) -> list[Any]:
        page = client_for(admin_user).get(PAGE, {"q": "gpt", **query})
        return [row.input_per_mtok for row in page.context["page"]]

    assert rates() == [9, 8] and rates(history="on") == [9, 8, 2]
    assert api(admin_user).get("prices?q=gpt").json()["count"] == 2
    assert api(admin_user).get("prices?q=gpt&history=true").json()["count"] == 3


def test_the_page_edits_with_tiers(admin_user: User, client_for: Pages) -> None:
    client, old = client_for(admin_user), ModelPrice.objects.get(model_pattern="gpt-x")
    path = f"{PAGE}{old.pk}/"
    page = client.get(path)
    assert page.context["form"]["input_per_mtok"].value() == "2", "starts from what applies"
    tier = {"tiers-0-above_input_tokens": "200000", "tiers-0-input": "4", "tiers-0-output": "18"}
    wrong = client.post(path, form(**{"tiers-0-input": "4", "output_per_mtok": "8.5"}))
    assert wrong.status_code == 422 and 'value="8.5"' in wrong.text
    assert "from how many tokens" in wrong.text and ModelPrice.objects.count() == 3
    done = client.post(path, form(**tier), follow=True)
    assert "The price is saved." in done.text and "Applies now" in done.text
    new = ModelPrice.objects.get(model_pattern="gpt-x", valid_from=TODAY)
    assert new.tiers == [TIER] and new.input_per_mtok == 7
    again = client.get(f"{PAGE}{new.pk}/")
    assert 'value="200000"' in again.text
    client.post(f"{PAGE}{new.pk}/remove/")
    assert not ModelPrice.objects.filter(pk=new.pk).exists()
    refused = client.post(f"{PAGE}{old.pk}/remove/", follow=True)
    assert "Only prices that a person entered" in refused.text


def test_a_new_price_by_page_and_api(admin_user: User, client_for: Pages, api: Any) -> None:
    client = client_for(admin_user)
    twice = {f"tiers-{n}-{name}": "5" for n in (0, 1) for name in ("above_input_tokens", "input")}
    wrong = client.post(f"{PAGE}new/", form(model_pattern="new", **twice))
    assert wrong.status_code == 422 and "Two tiers begin" in wrong.text
    body = form(model_pattern="new", provider_slug="*", currency="CNY")
    assert client.post(f"{PAGE}new/", body).status_code == 302
    row = ModelPrice.objects.get(model_pattern="new")
    assert (row.provider_slug, row.currency, row.is_edited) == ("*", "CNY", True)
    made = api(admin_user).post(
        "prices", provider="openai", model="gpt-x", currency="CNY", input=0, tiers=[TIER]
    )
    assert made.status_code == 201 and made.json()["tiers"] == [TIER]
    assert cost(TODAY) == ("CNY", 0)
    wrong_day = api(admin_user).post(
        "prices", provider="openai", model="gpt-x", input=1, valid_from="2026-01-01"
    )
    assert wrong_day.status_code == 422 and "valid_from" in wrong_day.json()["error"]["fields"]
    path = f"prices/{made.json()['id']}"
    assert api(admin_user).delete(path).status_code == 204
    assert api(admin_user).delete(path).status_code == 404


def test_what_changes_it_is_for_administrators(alice: User, client_for: Pages, api: Any) -> None:
    row = ModelPrice.objects.get(model_pattern="gpt-x")
    client = client_for(alice)
    for path in (f"{PAGE}new/", f"{PAGE}{row.pk}/", f"{PAGE}refresh/"):
        assert client.get(path).status_code == 403
        assert client.post(path, form()).status_code == 403
    assert client.post(f"{PAGE}{row.pk}/remove/").status_code == 403
    assert api(alice).get("prices").json()["count"] == 3
    assert api(alice).post("prices", provider="openai", model="x", input=1).status_code == 403
    assert api(alice).delete(f"prices/{row.pk}").status_code == 403


def test_the_form_speaks_chinese() -> None:
    with override("zh-hans"):
        shown = str(TablePriceForm()["provider_slug"])
    assert "适用于所有供应商" in shown
