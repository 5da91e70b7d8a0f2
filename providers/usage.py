"""What was used and what it cost, summed over call records by day, user, key, model, provider.

One query sums; days begin and end in the platform's time zone. Costs in different currencies are
never added. None is unknown: a sum holds what is known, `unknown_cost_calls` says of how many calls
the cost is not in it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Sum, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import ApiKey, User
from llmplatform.text import number_of
from providers.charging import UNIT
from providers.models import FAILED, NAMES_NO_MODEL, REFUSED, UNKNOWN_COST, CallRecord

GROUPS = ("day", "user", "key", "model", "provider")
COLUMNS = {
    **{"user": "user_id", "key": "api_key_id"},
    **{"model": "model_name", "provider": "provider_label"},
}
# Calls that name no model are one group.
MODEL_NAME = Case(When(NAMES_NO_MODEL, then=Value("")), default="model_label")
MAX_DAYS, USUAL_DAYS = 366, 30
EARLIEST, LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True)
class Period:
    """Whole days, the last one included."""

    first: date
    last: date

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time.min, timezone.get_default_timezone())

    @classmethod
    def between(cls, first: date | None, last: date | None) -> "Period":
        """Open ends are 30 days before the last one, and today. ValidationError by field."""
        last = last or today()
        if not EARLIEST < last < LATEST:
            raise ValidationError({"to": [_("This date is too far away.")]})
        first = first or last - timedelta(days=USUAL_DAYS - 1)
        if first > last:
            raise ValidationError({"to": [_("The last day is before the first.")]})
        if (last - first).days >= MAX_DAYS:
            text = _("Choose at most %(days)d days.") % {"days": MAX_DAYS}
            raise ValidationError({"from": [text]})
        return cls(first, last)

    def rows(self, records: "QuerySet[CallRecord]") -> "QuerySet[CallRecord]":
        end = self.start_of(self.last + timedelta(days=1))
        return records.filter(at__gte=self.start_of(self.first), at__lt=end)


def today() -> date:
    return timezone.localdate(timezone=timezone.get_default_timezone())


def last_days(count: int) -> Period:
    """`count` days, today the last of them."""
    return Period(today() - timedelta(days=count - 1), today())


def records_of(viewer: User, whose: str = "") -> "QuerySet[CallRecord]":
    """Calls that `viewer` may see; of one person, where `whose` is an e-mail address or an id.

    Raises PermissionDenied where that is somebody else and the viewer no administrator, and
    ValidationError (user) where there is nobody of that name.
    """
    rows = CallRecord.objects.visible_to(viewer)
    if not whose:
        return rows
    found = User.objects.filter(Q(pk=number_of(whose) or 0) | Q(email__iexact=whose)).first()
    if not viewer.is_admin and found != viewer:
        raise PermissionDenied
    if found is None:
        raise ValidationError({"user": [_("There is no such person.")]})
    return rows.filter(user=found)


@dataclass
class Usage:
    """Sums over some calls: some `failed`, and others were `refused` before a provider was asked.
    Tokens are None where no call told them."""

    calls: int = 0
    failed: int = 0
    refused: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    unknown_cost_calls: int = 0
    cost: dict[str, Decimal] = field(default_factory=dict)
    ttft_total_ms: int | None = None
    ttft_calls: int = 0
    duration_total_ms: int | None = None
    duration_calls: int = 0

    def add(self, other: "Usage") -> None:
        for name in COUNTED:
            here, there = getattr(self, name), getattr(other, name)
            if there is not None:
                setattr(self, name, there if here is None else here + there)
        for currency, cost in other.cost.items():
            self.cost[currency] = self.cost.get(currency, Decimal(0)) + cost

    @property
    def tokens(self) -> int | None:
        known = [n for n in (self.prompt_tokens, self.completion_tokens) if n is not None]
        return sum(known) if known else None

    @property
    def ttft_ms(self) -> int | None:
        """The mean."""
        return _mean(self.ttft_total_ms, self.ttft_calls)

    @property
    def duration_ms(self) -> int | None:
        return _mean(self.duration_total_ms, self.duration_calls)


def _mean(total: int | None, count: int) -> int | None:
    return None if total is None or not count else round(total / count)


SUMS: dict[str, Any] = {
    "calls": Count("pk"),
    "failed": Count("pk", filter=FAILED),
    "refused": Count("pk", filter=REFUSED),
    **{
        f"{name}_sum": Sum(name)
        for name in ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens")
    },
    "unknown_cost_calls": Count("pk", filter=UNKNOWN_COST),
    "cost_sum": Sum("cost"),
    "ttft_total_ms": Sum("ttft_ms"),
    "ttft_calls": Count("ttft_ms"),
    "duration_total_ms": Sum("duration_ms"),
    "duration_calls": Count("duration_ms"),
}
COUNTED = [name.removesuffix("_sum") for name in SUMS if name != "cost_sum"]


def _usage_of(row: dict[str, Any]) -> Usage:
    counts: dict[str, Any] = {name: row.get(f"{name}_sum", row.get(name)) for name in COUNTED}
    found = Usage(**counts)
    if row["cost_sum"] is not None:
        found.cost[row["currency"]] = row["cost_sum"].quantize(UNIT)
    return found


def _number_of_day(starts: Sequence[datetime], first: int, past: int) -> Any:
    """The index of the last of `starts` that is not after the call, as a tree of comparisons: every
    database does that natively, with its index of time zones or without."""
    if past - first == 1:
        return Value(first, output_field=IntegerField())
    middle = (first + past) // 2
    earlier = _number_of_day(starts, first, middle)
    later = _number_of_day(starts, middle, past)
    return Case(When(at__lt=starts[middle], then=earlier), default=later)


Key = tuple[Any, ...]


def summed(
    records: "QuerySet[CallRecord]", period: Period, groups: Sequence[str]
) -> dict[Key, Usage]:
    """Usage by the values of `groups`, each of GROUPS: a date, ids of user and key, labels."""
    rows: Any = period.rows(records).order_by()
    names = [COLUMNS.get(group, "day") for group in groups]
    days = period.days
    if "day" in names:
        starts = [period.start_of(day) for day in days]
        rows = rows.annotate(day=_number_of_day(starts, 0, len(starts)))
    found: dict[Key, Usage] = {}
    if "model_name" in names:
        rows = rows.annotate(model_name=MODEL_NAME)
    for row in rows.values(*names, "currency").annotate(**SUMS):
        key = tuple(days[row[name]] if name == "day" else row[name] for name in names)
        found.setdefault(key, Usage()).add(_usage_of(row))
    return found


def folded(usages: dict[Key, Usage], *positions: int) -> dict[Key, Usage]:
    """Summed further: by the parts of the key at `positions` alone."""
    found: dict[Key, Usage] = {}
    for key, usage in usages.items():
        found.setdefault(tuple(key[n] for n in positions), Usage()).add(usage)
    return found


def total(usages: Iterable[Usage]) -> Usage:
    whole = Usage()
    for usage in usages:
        whole.add(usage)
    return whole


@dataclass(frozen=True)
class Names:
    """Of users and keys, by id."""

    users: dict[int, str]
    keys: dict[int, str]

    @classmethod
    def of(cls, users: Iterable[int | None], keys: Iterable[int | None]) -> "Names":
        user_ids = {pk for pk in users if pk is not None}
        key_ids = {pk for pk in keys if pk is not None}
        return cls(
            dict(User.objects.filter(pk__in=user_ids).values_list("pk", "email")),
            dict(ApiKey.objects.filter(pk__in=key_ids).values_list("pk", "name")),
        )

    @classmethod
    def in_keys(cls, found: Iterable[Key], groups: Sequence[str]) -> "Names":
        columns = dict(zip(groups, zip(*found, strict=True), strict=False))
        return cls.of(columns.get("user", ()), columns.get("key", ()))

    def value(self, group: str, value: Any) -> Any:
        """What a machine reads: ids become names, None where there is none."""
        if group == "user":
            return self.users.get(value)
        return self.keys.get(value) if group == "key" else value


def by_size(usages: dict[Key, Usage], groups: Sequence[str]) -> list[tuple[Key, Usage]]:
    """Days in order, within a day what was called most first."""
    day = groups.index("day") if "day" in groups else None

    def rank(item: tuple[Key, Usage]) -> tuple[Any, ...]:
        key, usage = item
        return (key[day] if day is not None else 0, -usage.calls, tuple(map(str, key)))

    return sorted(usages.items(), key=rank)
