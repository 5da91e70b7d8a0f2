"""Usage and calls as rows of a CSV file; and the groups as the API has them."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q

from providers.usage import Names, Period, Usage, by_size, summed

AT_ONCE = 2000
CALL_FIELDS = (
    *("call_id", "at", "kind", "user_id", "api_key_id", "provider_label", "model_label", "source"),
    *("status", "error_code", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
    *("cached_tokens", "cache_write_tokens", "is_estimated", "cost", "currency", "cost_source"),
    *("price_id", "own_price_id", "ttft_ms", "duration_ms"),
)
NAMED = {"user_id": "user", "api_key_id": "key", "provider_label": "provider"} | {
    "model_label": "model"
}
CALL_COLUMNS = tuple(NAMED.get(name, name) for name in CALL_FIELDS)
COUNTS = (
    *("calls", "failed", "refused", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
    *("cached_tokens", "unknown_cost_calls", "ttft_ms", "duration_ms"),
)


def call_rows(records: Any, period: Period) -> Iterator[list[Any]]:
    """CALL_COLUMNS of every call, oldest first. Reads a few thousand at once, so that no cursor
    stays open while somebody downloads."""
    rows = period.rows(records).order_by("at", "pk")
    after = Q()
    while found := list(rows.filter(after).values("pk", *CALL_FIELDS)[:AT_ONCE]):
        names = Names.of((row["user_id"] for row in found), (row["api_key_id"] for row in found))
        for row in found:
            yield [_written(name, row[name], names) for name in CALL_FIELDS]
        last = found[-1]
        after = Q(at__gt=last["at"]) | Q(at=last["at"], pk__gt=last["pk"])


def _written(name: str, value: Any, names: Names) -> Any:
    if name in ("user_id", "api_key_id"):
        return names.value(NAMED[name], value)
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) else value


def items(records: Any, period: Period, groups: Sequence[str]) -> list[dict[str, Any]]:
    """One mapping a group, as `GET /api/v1/usage` answers."""
    found = by_size(summed(records, period, groups), groups)
    names = Names.in_keys([key for key, _usage in found], groups)
    return [_item(dict(zip(groups, key, strict=True)), usage, names) for key, usage in found]


def _item(key: dict[str, Any], usage: Usage, names: Names) -> dict[str, Any]:
    ids = {f"{name}_id": key[name] for name in ("user", "key") if name in key}
    named = {name: names.value(name, value) for name, value in key.items()}
    counts = {name: getattr(usage, name) for name in COUNTS}
    return {**named, **ids, **counts, "cost": usage.cost}


def group_table(
    records: Any, period: Period, groups: Sequence[str]
) -> tuple[list[str], list[list[Any]]]:
    """Header and rows; every currency has a column of its own."""
    found = items(records, period, groups)
    currencies = sorted({currency for item in found for currency in item["cost"]})
    header = [*groups, *COUNTS, *(f"cost_{currency}" for currency in currencies)]
    rows = []
    for item in found:
        costs = [item["cost"].get(currency) for currency in currencies]
        shown = [None if cost is None else f"{cost:f}" for cost in costs]
        rows.append([*(item[name] for name in (*groups, *COUNTS)), *shown])
    return header, rows
