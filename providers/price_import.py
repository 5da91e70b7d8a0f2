"""Fill the price table from a list: the one of the repository, a newer one of litellm, or that of
the package genai-prices (`providers.price_package`).

A price that changed becomes a new row, valid from the file's day; the old row stays for the calls
of its time. What a person edited is never touched and never superseded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from providers.model_metadata import LITELLM_MODES
from providers.prices import ANY, pattern

SEED = Path(__file__).parent / "price_data" / "seed.json"
# litellm's words for those of our presets that it names otherwise.
LITELLM_PROVIDERS = {
    **{"azure_ai": "azure", "together_ai": "together", "fireworks_ai": "fireworks"},
    **{"nvidia_nim": "nvidia", "zai": "zhipu", "bigmodel": "zhipu", "tencent": "hunyuan"},
}
RATES = {
    **{"input": "input_cost_per_token", "output": "output_cost_per_token"},
    **{"cached_input": "cache_read_input_token_cost"},
    **{"cache_write": "cache_creation_input_token_cost"},
    **{"reasoning": "output_cost_per_reasoning_token"},
}
MAX_ID = 200
PRICED = (*(f"{name}_per_mtok" for name in RATES), "per_query", "tiers", "off_peak")
CARRIED = (
    *(f"{name}_per_mtok" for name in RATES),
    *(
        "per_query",
        "tiers",
        "off_peak",
        "main_type",
        "context_tokens",
        "max_output_tokens",
        "dimension",
    ),
    *("supports_vision", "supports_reasoning", "supports_tools"),
)


@dataclass(frozen=True)
class PriceFile:
    """`rows`: one mapping of ModelPrice fields a model, without source and day. `is_prices_only`:
    the list does not know what a model can do; there None says nothing."""

    source: str
    valid_from: date
    rows: list[dict[str, Any]]
    is_prices_only: bool = False


def _decimal(value: Any, scale: int = 1) -> Decimal | None:
    """None where it says nothing usable; six decimals are kept."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = Decimal(str(value)) * scale
    return found.quantize(Decimal("0.000001")) if found.is_finite() and found >= 0 else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 < value < 2**31 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _seed_row(row: Mapping[str, Any]) -> dict[str, Any]:
    rates = {f"{name}_per_mtok": _decimal(row.get(name)) for name in RATES}
    return {
        "provider_slug": row["provider"],
        "model_pattern": row["id"],
        **rates,
        "per_query": _decimal(row.get("per_query")),
        "tiers": row.get("tiers", []),
        "off_peak": row.get("off_peak", {}),
        "main_type": row["type"],
        "context_tokens": row.get("context"),
        "max_output_tokens": row.get("max_output"),
        "dimension": row.get("dim"),
        "supports_vision": row.get("vision"),
        "supports_reasoning": row.get("reasoning"),
        "supports_tools": row.get("tools"),
    }


def read_seed(path: Path = SEED) -> PriceFile:
    content = orjson.loads(path.read_bytes())
    day = date.fromisoformat(content["valid_from"])
    return PriceFile(content["source"], day, [_seed_row(row) for row in content["models"]])


def _litellm_rows(content: Mapping[str, Any], known: frozenset[str]) -> Iterator[dict[str, Any]]:
    for name, row in content.items():
        if not isinstance(row, Mapping):
            continue
        provider = str(row.get("litellm_provider", ""))
        slug = LITELLM_PROVIDERS.get(provider, provider)
        model_id = name.removeprefix(f"{provider}/")
        if slug not in known or not 0 < len(model_id) <= MAX_ID:
            continue
        yield {
            "provider_slug": slug,
            "model_pattern": model_id,
            **{f"{key}_per_mtok": _decimal(row.get(of), 1_000_000) for key, of in RATES.items()},
            "per_query": _decimal(row.get("input_cost_per_query")),
            "tiers": _litellm_tiers(row),
            "off_peak": {},
            "main_type": LITELLM_MODES.get(str(row.get("mode")), ""),
            "context_tokens": _integer(row.get("max_input_tokens")),
            "max_output_tokens": _integer(row.get("max_output_tokens")),
            "dimension": _integer(row.get("output_vector_size")),
            "supports_vision": _flag(row.get("supports_vision")),
            "supports_reasoning": _flag(row.get("supports_reasoning")),
            "supports_tools": _flag(row.get("supports_function_calling")),
        }


def _litellm_tiers(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """From `input_cost_per_token_above_200k_tokens` and `tiered_pricing`."""
    found: dict[int, dict[str, Any]] = {}
    for key, of in RATES.items():
        for name, value in row.items():
            limit = name.removeprefix(f"{of}_above_").removesuffix("k_tokens")
            rate = _decimal(value, 1_000_000)
            if limit.isdigit() and rate is not None:
                found.setdefault(int(limit) * 1000, {})[key] = float(rate)
    for tier in row.get("tiered_pricing") or ():
        span = tier.get("range") or [0]
        rates = {key: _decimal(tier.get(of), 1_000_000) for key, of in RATES.items()}
        known = {key: float(rate) for key, rate in rates.items() if rate is not None}
        found.setdefault(int(span[0]), {}).update(known)
    return [{"above_input_tokens": limit, **rates} for limit, rates in sorted(found.items())]


def read_litellm(data: bytes, *, slugs: Iterable[str], valid_from: date) -> PriceFile:
    """litellm's `model_prices_and_context_window.json`. Raises ValueError where it is not that."""
    content = orjson.loads(data)
    if not isinstance(content, Mapping):
        raise ValueError("not litellm's price list")
    return PriceFile("litellm", valid_from, list(_litellm_rows(content, frozenset(slugs))))


@dataclass(frozen=True)
class ImportPlan:
    """What a file would change. `changed`: the row of today and the one that follows it; `kept`:
    rows of a person that the file would have changed."""

    file: PriceFile
    added: list[Any]
    changed: list[tuple[Any, Any]]
    kept: list[Any]

    @property
    def fresh(self) -> list[Any]:
        return [*self.added, *(new for _old, new in self.changed)]

    @property
    def digest(self) -> str:
        """Two plans that do the same have the same one."""
        rows = sorted(
            "|".join(
                str(getattr(row, name)) for name in ("provider_slug", "model_pattern", *PRICED)
            )
            for row in self.fresh
        )
        named = [self.file.source, str(self.file.valid_from), *rows]
        return sha256("\n".join(named).encode()).hexdigest()


def plan_import(file: PriceFile, model: type[Any]) -> ImportPlan:
    """Changes nothing. `model` is ModelPrice, or its historical self in a migration, which may lack
    what later versions of the table have."""
    known = {field.name for field in model._meta.fields}
    latest: dict[tuple[str, str], Any] = {}
    for each in model.objects.order_by("valid_from"):
        latest[each.provider_slug, each.model_pattern.lower()] = each
    patterns = [row for row in latest.values() if row.is_edited and "*" in row.model_pattern]
    plan, seen = ImportPlan(file, [], [], []), set()
    for row in file.rows:
        values = {name: value for name, value in row.items() if name in known}
        key = values["provider_slug"], values["model_pattern"].lower()
        if key in seen:
            continue
        seen.add(key)
        old = latest.get(key)
        if old is None:
            # An exact id would come before the pattern that somebody wrote for it.
            if not any(_covers(each, values) for each in patterns):
                plan.added.append(_new(model, file, values))
        elif _differs(old, values, file):
            if old.is_edited:
                plan.kept.append(old)
            elif old.valid_from < file.valid_from:
                plan.changed.append((old, _new(model, file, _carried(old, values, file))))
    return plan


def _covers(row: Any, values: Mapping[str, Any]) -> bool:
    is_for = row.provider_slug in (values["provider_slug"], ANY)
    return is_for and pattern(row.model_pattern).fullmatch(values["model_pattern"]) is not None


def _carried(old: Any, values: Mapping[str, Any], file: PriceFile) -> Mapping[str, Any]:
    """What a list of prices alone does not say stays as it was known."""
    if not file.is_prices_only:
        return values
    return {name: getattr(old, name) for name in CARRIED} | _stated(values)


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """A list without tiers and off-peak hours knows none of them; that is not the same as zero."""
    return {name: value for name, value in values.items() if value not in (None, [], {})}


def _new(model: type[Any], file: PriceFile, values: Mapping[str, Any]) -> Any:
    return model(
        **{"currency": "USD", **values, "source": file.source, "valid_from": file.valid_from}
    )


def carry_out(plan: ImportPlan, model: type[Any]) -> int:
    """How many rows are new."""
    model.objects.bulk_create(plan.fresh, batch_size=200)
    return len(plan.fresh)


def import_prices(file: PriceFile, model: type[Any]) -> int:
    """How many rows are new."""
    return carry_out(plan_import(file, model), model)


def _differs(row: Any, values: Mapping[str, Any], file: PriceFile) -> bool:
    if file.is_prices_only:
        values = {name: value for name, value in _stated(values).items() if name in PRICED}
    return any(getattr(row, name) != value for name, value in values.items())
