"""Refreshing the price table from the installed package: preview first, manual edits stay."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from providers import price_refresh
from providers.models import ModelPrice
from providers.presets import BY_SLUG
from providers.price_import import PriceFile, import_prices, plan_import, read_seed
from providers.price_package import PackageMissing, installed_version, read_package
from providers.price_views import ROWS_SHOWN

TODAY = timezone.localdate()
PAGE = "/providers/prices/refresh/"
Pages = Callable[[User], Client]


@pytest.fixture(autouse=True)
def _empty_table(db: None) -> None:
    ModelPrice.objects.all().delete()


def line(model_id: str, rate: int | str, **fields: Any) -> dict[str, Any]:
    rates = dict.fromkeys(("output", "cached_input", "cache_write", "reasoning"))
    return {
        "provider_slug": "openai",
        "model_pattern": model_id,
        "input_per_mtok": Decimal(rate),
        **{f"{name}_per_mtok": None for name in rates},
        "tiers": [],
        "off_peak": {},
        "context_tokens": 1000,
        **fields,
    }


def package(*rows: dict[str, Any], source: str = "genai-prices 9") -> PriceFile:
    return PriceFile(source, TODAY, list(rows), is_prices_only=True)


def stored(model_id: str, rate: int | str, **fields: Any) -> ModelPrice:
    values = {"provider_slug": "openai", "valid_from": date(2026, 1, 1)} | fields
    return ModelPrice.objects.create(model_pattern=model_id, input_per_mtok=Decimal(rate), **values)


def test_the_package_is_read_whole() -> None:
    file = read_package(slugs=BY_SLUG, day=TODAY)
    assert file.source == f"genai-prices {installed_version()}" and len(file.rows) > 500
    assert {row["provider_slug"] for row in file.rows} <= set(BY_SLUG)
    import_prices(file, ModelPrice)
    for row in ModelPrice.objects.all():
        row.full_clean(validate_unique=False, validate_constraints=False)
    opus = {row["model_pattern"]: row for row in file.rows if row["provider_slug"] == "anthropic"}
    assert opus["claude-opus-4-6"]["tiers"] == [], "flat since the 13th of March 2026"
    before = read_package(slugs=["anthropic"], day=date(2026, 3, 12))
    [older] = [row for row in before.rows if row["model_pattern"] == "claude-opus-4-6"]
    assert older["input_per_mtok"] == 5 and older["tiers"] == [
        {"above_input_tokens": 200000, "input": 10.0, "output": 37.5, "cached_input": 1.0,
         "cache_write": 12.5}
    ]  # fmt: skip


def test_what_depends_on_the_hour_is_left_out() -> None:
    ids = {row["model_pattern"] for row in read_package(slugs=["deepseek"], day=TODAY).rows}
    assert "deepseek-v3.2" in ids and "deepseek-chat" not in ids


def test_a_plan_changes_nothing_and_keeps_what_a_person_wrote() -> None:
    old = stored("a", 1, main_type="chat", cached_input_per_mtok=Decimal("0.1"), context_tokens=7)
    same, edited = stored("b", 2), stored("c", 3, is_edited=True)
    stored("mine-*", 4, is_edited=True, provider_slug="*", currency="CNY")
    rows = (
        line("A", 9),
        line("b", 2),
        line("c", 9),
        line("mine-1", 9),
        line("new", 9),
        line("new", 8),
    )
    plan = plan_import(package(*rows), ModelPrice)
    assert [row.model_pattern for row in plan.added] == ["new"]
    assert [(before, after.input_per_mtok) for before, after in plan.changed] == [(old, 9)]
    assert plan.kept == [edited] and ModelPrice.objects.count() == 4
    import_prices(package(*rows), ModelPrice)
    new = ModelPrice.objects.get(model_pattern="A", valid_from=TODAY)  # MariaDB finds "a", too
    assert (new.main_type, new.cached_input_per_mtok, new.valid_from) == (
        "chat",
        Decimal("0.1"),
        TODAY,
    )
    old.refresh_from_db()
    same.refresh_from_db()
    assert (old.input_per_mtok, same.input_per_mtok) == (1, 2)
    assert plan_import(package(*rows), ModelPrice).fresh == []


def test_a_list_without_tiers_takes_none_away() -> None:
    tiers = [{"above_input_tokens": 272_000, "input": 25.0}]
    stored("long", 1, tiers=tiers, off_peak={"start": "16:30"})
    assert not plan_import(package(line("long", 1)), ModelPrice).changed, "nothing else is said"
    [(_old, new)] = plan_import(package(line("long", 2)), ModelPrice).changed
    assert (new.tiers, new.off_peak) == (tiers, {"start": "16:30"})
    other = [{"above_input_tokens": 128_000, "input": 3.0}]
    [(_old, new)] = plan_import(package(line("long", 1, tiers=other)), ModelPrice).changed
    assert new.tiers == other


def test_who_is_slower_looks_again(
    offered: list[dict[str, Any]], alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = price_refresh.plan_refresh()
    price_refresh.refresh_prices(actor=alice)
    monkeypatch.setattr(price_refresh, "plan_refresh", lambda: plan)
    with pytest.raises(price_refresh.PlanChanged):
        price_refresh.refresh_prices(actor=alice)


def test_a_list_that_knows_more_still_decides() -> None:
    seed = read_seed()
    import_prices(replace(seed, rows=seed.rows[:1]), ModelPrice)
    row = {**seed.rows[0], "context_tokens": 5}
    later = replace(seed, rows=[row], valid_from=seed.valid_from + timedelta(days=1))
    assert import_prices(later, ModelPrice) == 1


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the package says."""
    rows = [line("a", "2.5", output_per_mtok=Decimal(10)), line("fresh<b>", 1)]

    def read(**_given: Any) -> PriceFile:
        return package(*rows)

    monkeypatch.setattr(price_refresh, "read_package", read)
    return rows


def test_the_page_shows_first_and_then_does_it(
    admin_user: User, client_for: Pages, offered: list[dict[str, Any]]
) -> None:
    stored("a", 1, source="litellm")
    stored("c", 3, is_edited=True)
    offered.append(line("c", 9))
    client = client_for(admin_user)
    page = client.get(PAGE)
    for text in (
        "1 price changes today",
        "1 model gets",
        "1 price stays",
        "genai-prices 9",
        "litellm",
    ):
        assert text in page.text
    assert "openai/c" in client.get(PAGE, {"show": "kept"}).text
    assert "fresh&lt;b&gt;" in client.get(PAGE, {"show": "added"}).text
    assert "openai/a" in client.get(PAGE, {"show": "nonsense"}).text
    assert ModelPrice.objects.count() == 2
    assert client.get("/providers/").status_code == 200
    done = client.post(PAGE, {"digest": page.context["plan"].digest}, follow=True)
    assert "2 prices are new." in done.text and "up to date" in client.get(PAGE).text
    event = AuditEvent.objects.get(action="price.refresh")
    assert event.after == {"source": "genai-prices 9", "added": 1, "changed": 1}
    assert ModelPrice.objects.get(model_pattern="c").input_per_mtok == 3


@pytest.mark.parametrize("part", ["added", "changed", "kept"])
def test_every_row_can_be_looked_at(
    admin_user: User, client_for: Pages, offered: list[dict[str, Any]], part: str
) -> None:
    stored("a", 1)
    names = [f"more-{n:03}" for n in range(ROWS_SHOWN + 1)]
    offered += [line(name, 3, currency="CNY") for name in names]
    if part != "added":
        for name in names:
            stored(name, 1, is_edited=part == "kept", currency="CNY")
    client = client_for(admin_user)
    shown = [client.get(PAGE, {"show": part, "page": page}) for page in (1, 2)]
    for name in names:
        assert sum(f"openai/{name}<" in page.text for page in shown) == 1, name
    assert f'href="?show={part}&amp;page=2"' in shown[0].text
    first = client.get(PAGE)
    assert "USD 1 →" in first.text and "USD 2.5" in first.text
    assert "USD –" not in first.text and "CNY –" not in first.text


def test_only_what_was_shown_is_done(
    admin_user: User, client_for: Pages, offered: list[dict[str, Any]]
) -> None:
    client = client_for(admin_user)
    digest = client.get(PAGE).context["plan"].digest
    offered[0]["input_per_mtok"] = Decimal(99)
    for given in (digest, ""):
        answer = client.post(PAGE, {"digest": given}, follow=True)
        assert "Look at it again" in answer.text
    assert not ModelPrice.objects.exists()


def test_it_requires_an_administrator(
    alice: User, client_for: Pages, api: Any, offered: list[dict[str, Any]]
) -> None:
    assert client_for(alice).get(PAGE).status_code == 403
    assert client_for(alice).post(PAGE).status_code == 403
    assert api(alice).get("prices/refresh").status_code == 403
    assert api(alice).post("prices/refresh", digest="").status_code == 403
    assert not ModelPrice.objects.exists()


def test_the_api_previews_and_refreshes(
    admin_user: User, api: Any, offered: list[dict[str, Any]]
) -> None:
    stored("a", 1)
    shown = api(admin_user).get("prices/refresh").json()
    assert shown["changed"][0]["after"]["input"] == "2.5" and len(shown["added"]) == 1
    wrong = api(admin_user).post("prices/refresh", digest="0" * 64)
    assert wrong.status_code == 409 and wrong.json()["error"]["code"] == "changed"
    done = api(admin_user).post("prices/refresh", digest=shown["digest"])
    assert done.status_code == 200 and ModelPrice.objects.count() == 3


def test_without_the_package(
    admin_user: User, api: Any, client_for: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(**_given: Any) -> PriceFile:
        raise PackageMissing

    monkeypatch.setattr(price_refresh, "read_package", read)
    assert "not installed" in client_for(admin_user).get(PAGE).text
    assert api(admin_user).get("prices/refresh").status_code == 503
    with pytest.raises(CommandError, match="pip install genai-prices"):
        call_command("prices", package=True)


def test_the_command_refreshes_too(offered: list[dict[str, Any]]) -> None:
    shown = StringIO()
    call_command("prices", package=True, stdout=shown)
    assert shown.getvalue() == "2 added, 0 changed, 0 of a person kept.\n"
