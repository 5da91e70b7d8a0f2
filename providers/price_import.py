"""Fill the price table from a file: the one of the repository, or a newer one of litellm.

A price that changed becomes a new row, valid from the file's day; the old row stays for the calls
of its time. What a person edited is never touched and never superseded.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from providers.model_metadata import LITELLM_MODES

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


@dataclass(frozen=True)
class PriceFile:
    """`rows`: one mapping of ModelPrice fields a model, without source and day."""

    source: str
    valid_from: date
    rows: list[dict[str, Any]]


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


def import_prices(file: PriceFile, model: type[Any]) -> int:
    """How many rows are new. `model` is ModelPrice, or its historical self in a migration, which
    may lack what later versions of the table have."""
    known = {field.name for field in model._meta.fields}
    latest: dict[tuple[str, str], Any] = {}
    for each in model.objects.order_by("valid_from"):
        latest[each.provider_slug, each.model_pattern.lower()] = each
    fresh = []
    for row in file.rows:
        values = {name: value for name, value in row.items() if name in known}
        old = latest.get((values["provider_slug"], values["model_pattern"].lower()))
        if old is None or (_is_older(old, file) and _differs(old, values)):
            new = model(**values, source=file.source, valid_from=file.valid_from, currency="USD")
            latest[new.provider_slug, new.model_pattern.lower()] = new
            fresh.append(new)
    model.objects.bulk_create(fresh, batch_size=200)
    return len(fresh)


def _is_older(row: Any, file: PriceFile) -> bool:
    return not row.is_edited and row.valid_from < file.valid_from


def _differs(row: Any, values: Mapping[str, Any]) -> bool:
    return any(getattr(row, name) != value for name, value in values.items())
