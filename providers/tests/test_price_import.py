"""The price table's seed, and newer lists."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from accounts.models import User
from providers.models import ModelPrice
from providers.price_import import SEED, import_prices, read_litellm, read_seed
from providers.prices import cost_of, price_of
from providers.types import Usage

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
LITELLM = {
    "sample_spec": {"litellm_provider": "one of https://docs.litellm.ai", "mode": "chat"},
    "xai/grok-9": {
        "litellm_provider": "xai",
        "mode": "responses",
        "input_cost_per_token": 2e-06,
        "output_cost_per_token": 1e-05,
        "output_cost_per_reasoning_token": 1.2e-05,
        "cache_read_input_token_cost": 5e-07,
        "input_cost_per_token_above_128k_tokens": 4e-06,
        "output_cost_per_token_above_128k_tokens": 2e-05,
        "max_input_tokens": 256000,
        "max_output_tokens": 9000,
        "supports_vision": True,
        "supports_reasoning": False,
    },
    "zai/glm-x": {"litellm_provider": "zai", "mode": "chat", "input_cost_per_token": 0},
    "dashscope/q": {
        "litellm_provider": "dashscope",
        "mode": "chat",
        "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-06},
            {"range": [32000.0, 128000.0], "input_cost_per_token": 2e-06},
        ],
    },
    "bedrock/x": {"litellm_provider": "bedrock", "input_cost_per_token": 1e-06},
    "odd": {"litellm_provider": "xai", "input_cost_per_token": "free", "max_input_tokens": "8k"},
    "nothing": 5,
}


@pytest.fixture(autouse=True)
def _empty_table(db: None) -> None:
    ModelPrice.objects.all().delete()


@pytest.fixture
def list_file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(LITELLM))
    return path


def run(**options: Any) -> str:
    shown = StringIO()
    call_command("prices", stdout=shown, **options)
    return shown.getvalue()


def test_the_seed_is_complete_and_keeps_its_notice() -> None:
    assert "Berri AI" in (SEED.parent / "LICENSE").read_text("utf-8")
    assert import_prices(read_seed(), ModelPrice) == ModelPrice.objects.count() > 1000
    for row in ModelPrice.objects.all():
        row.full_clean(validate_unique=False, validate_constraints=False)
    price = price_of("openai", "gpt-4o", NOW)
    assert price is not None and (price.currency, price.rates.input) == ("USD", Decimal("2.5"))
    tiered = price_of("dashscope", "qwen3-coder-flash", NOW)
    assert tiered is not None
    assert cost_of(tiered, Usage(300_000, 0)) == Decimal("0.48")


def test_deepseek_is_cheaper_off_peak() -> None:
    import_prices(read_seed(), ModelPrice)
    usage = Usage(1_000_000, 0)
    costs = []
    for hour in (2, 12):
        price = price_of("deepseek", "deepseek-v4-pro", NOW.replace(hour=hour))
        assert price is not None
        costs.append(cost_of(price, usage))
    assert costs == [Decimal("1.32"), Decimal("0.66")]


def test_a_second_time_adds_nothing() -> None:
    run()
    assert run().startswith("0 prices added")


def test_a_newer_list_adds_what_changed_and_keeps_history() -> None:
    run()
    seed = read_seed()
    first, second = dict(seed.rows[0]), dict(seed.rows[1])
    first["input_per_mtok"] = Decimal("123.456789")
    newer = replace(seed, valid_from=date(2027, 1, 1), rows=[first, second], source="later")
    assert import_prices(newer, ModelPrice) == 1
    rows = ModelPrice.objects.filter(
        provider_slug=first["provider_slug"], model_pattern=first["model_pattern"]
    )
    assert [row.source for row in rows] == ["later", seed.source]
    slug, model_id = first["provider_slug"], first["model_pattern"]
    now, later = (price_of(slug, model_id, at) for at in (NOW, NOW.replace(year=2027)))
    assert now is not None and later is not None
    assert later.rates.input == Decimal("123.456789") != now.rates.input


def test_an_older_list_changes_nothing() -> None:
    run()
    seed = read_seed()
    row = {**seed.rows[0], "input_per_mtok": Decimal(99)}
    assert import_prices(replace(seed, valid_from=date(2020, 1, 1), rows=[row]), ModelPrice) == 0


def test_what_a_person_edited_is_not_superseded() -> None:
    seed = read_seed()
    row = seed.rows[0]
    ModelPrice.objects.create(
        provider_slug=row["provider_slug"],
        model_pattern=row["model_pattern"].upper(),
        valid_from=date(2026, 1, 1),
        is_edited=True,
    )
    assert import_prices(replace(seed, rows=[row]), ModelPrice) == 0


def test_litellms_list_is_read(list_file: Path) -> None:
    assert run(litellm=list_file).startswith("4 prices added, of 4")
    grok = ModelPrice.objects.get(provider_slug="xai", model_pattern="grok-9")
    assert (grok.input_per_mtok, grok.output_per_mtok) == (2, 10)
    assert (grok.reasoning_per_mtok, grok.cached_input_per_mtok) == (12, Decimal("0.5"))
    assert grok.tiers == [{"above_input_tokens": 128_000, "input": 4.0, "output": 20.0}]
    assert (grok.main_type, grok.context_tokens, grok.max_output_tokens) == ("chat", 256000, 9000)
    assert (grok.supports_vision, grok.supports_reasoning, grok.supports_tools) == (
        True,
        False,
        None,
    )
    glm = ModelPrice.objects.get(provider_slug="zhipu")
    assert (glm.input_per_mtok, glm.output_per_mtok) == (0, None)
    tiers = ModelPrice.objects.get(provider_slug="dashscope").tiers
    assert [tier["above_input_tokens"] for tier in tiers] == [0, 32_000]
    odd = ModelPrice.objects.get(model_pattern="odd")
    assert odd.input_per_mtok is None and odd.context_tokens is None
    for row in ModelPrice.objects.all():
        row.full_clean(validate_unique=False, validate_constraints=False)


@pytest.mark.parametrize("content", ["[]", "nonsense", ""])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(CommandError):
        run(litellm=path)
    with pytest.raises(CommandError):
        run(litellm=tmp_path / "missing.json")
    with pytest.raises(ValueError, match=r"."):
        read_litellm(content.encode(), slugs=[], valid_from=date.min)


def test_the_console_only_looks_at_prices(
    admin_user: User, client_for: Callable[[User], Client]
) -> None:
    import_prices(replace(read_seed(), rows=read_seed().rows[:1]), ModelPrice)
    console, row = client_for(admin_user), ModelPrice.objects.get()
    assert console.get(reverse("admin:providers_modelprice_changelist")).status_code == 200
    change = reverse("admin:providers_modelprice_change", args=[row.pk])
    assert console.get(change).status_code == 200
    assert console.post(change, {"input_per_mtok": "5"}).status_code == 403
