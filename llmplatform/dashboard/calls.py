"""Model calls of the last 24 hours: by hour, in total, and which models carried them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Avg, Case, Count, IntegerField, Q, QuerySet, Sum, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from llmplatform.charts import Bar, Line, bars, line
from providers.models import FAILED, NAMES_NO_MODEL, CallRecord

HOURS = 24
TOP_MODELS = 6
# What the caller did wrong says nothing about the platform or a provider, whoever found it out.
CALLERS_FAULT = ("bad_request", "context_too_long", "content_filter", "too_large")
TROUBLE = FAILED & ~Q(error_code__in=CALLERS_FAULT)
# Several administrators looking at the page cost the database one look.
KEPT_S = 5


@dataclass
class Hour:
    """`tokens` and `ttft_ms` are None where no call told them."""

    start: datetime
    calls: int = 0
    failed: int = 0
    tokens: int | None = None
    ttft_ms: float | None = None


@dataclass(frozen=True)
class Model:
    label: str
    provider: str
    calls: int
    failed: int
    tokens: int | None
    ttft_ms: float | None
    share: float


@dataclass
class Day:
    hours: list[Hour]
    models: list[Model] = field(default_factory=list)
    p95_ttft_ms: int | None = None
    median_ttft_ms: int | None = None

    @property
    def calls(self) -> int:
        return sum(hour.calls for hour in self.hours)

    @property
    def failed(self) -> int:
        return sum(hour.failed for hour in self.hours)

    @property
    def failed_percent(self) -> float | None:
        return self.failed / self.calls * 100 if self.calls else None

    @property
    def tokens(self) -> int | None:
        known = [hour.tokens for hour in self.hours if hour.tokens is not None]
        return sum(known) if known else None

    @property
    def call_bars(self) -> tuple[Bar, ...]:
        text = _("%(time)s: %(calls)d calls, %(failed)d failed")
        return bars(
            [
                (
                    text % {"time": _clock(hour), "calls": hour.calls, "failed": hour.failed},
                    [("good", hour.calls - hour.failed), ("failed", hour.failed)],
                )
                for hour in self.hours
            ]
        )

    @property
    def token_bars(self) -> tuple[Bar, ...]:
        return bars(
            [(f"{_clock(h)}: {_shown(h.tokens)}", [("tokens", h.tokens)]) for h in self.hours]
        )

    @property
    def latency_line(self) -> Line:
        values = [hour.ttft_ms for hour in self.hours]
        return line(values, max((value for value in values if value is not None), default=1))


def _clock(hour: Hour) -> str:
    return f"{timezone.localtime(hour.start):%H:%M}"


def _shown(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def _tokens(row: dict[str, Any]) -> int | None:
    parts = [row[name] for name in ("prompt", "completion") if row[name] is not None]
    return sum(parts) if parts else None


SUMS: dict[str, Any] = {
    "calls": Count("pk"),
    "failed": Count("pk", filter=TROUBLE),
    "prompt": Sum("prompt_tokens"),
    "completion": Sum("completion_tokens"),
    "ttft": Avg("ttft_ms"),
}


def _by_hour(rows: "QuerySet[CallRecord]", first: datetime) -> list[Hour]:
    """Hours since `first`, numbered by comparing times: every database does that natively."""
    hours = [Hour(first + timedelta(hours=index)) for index in range(HOURS)]
    numbered = [
        When(at__gte=hours[index].start, then=Value(index)) for index in reversed(range(HOURS))
    ]
    column = Case(*numbered, default=Value(0), output_field=IntegerField())
    grouped: Any = rows.order_by().annotate(hour=column).values("hour").annotate(**SUMS)
    for row in grouped:
        hour = hours[row["hour"]]
        hour.calls, hour.failed = row["calls"], row["failed"]
        hour.tokens, hour.ttft_ms = _tokens(row), row["ttft"]
    return hours


def _top_models(rows: "QuerySet[CallRecord]") -> list[Model]:
    named = rows.exclude(NAMES_NO_MODEL).order_by()
    grouped: Any = named.values("provider_label", "model_label").annotate(**SUMS)
    found = list(grouped.order_by("-calls", "model_label")[:TOP_MODELS])
    most = found[0]["calls"] if found else 0
    return [
        Model(
            label=row["model_label"],
            provider=row["provider_label"],
            calls=row["calls"],
            failed=row["failed"],
            tokens=_tokens(row),
            ttft_ms=row["ttft"],
            share=row["calls"] / most * 100,
        )
        for row in found
    ]


def _quantiles(rows: "QuerySet[CallRecord]", shares: Sequence[float]) -> list[int | None]:
    known = rows.exclude(ttft_ms=None).order_by("ttft_ms").values_list("ttft_ms", flat=True)
    count = known.count()
    return [known[min(count - 1, int(count * share))] if count else None for share in shares]


def last_day() -> Day:
    """The 24 hours up to the current one's end."""
    kept: Day | None = cache.get("dashboard:calls")
    if kept is not None:
        return kept
    this_hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    first = this_hour - timedelta(hours=HOURS - 1)
    rows = CallRecord.objects.filter(at__gte=first)
    median, p95 = _quantiles(rows, (0.5, 0.95))
    day = Day(_by_hour(rows, first), _top_models(rows), p95, median)
    cache.set("dashboard:calls", day, KEPT_S)
    return day
