"""Which feedback is meant: what the inbox shows and what a collection takes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from typing import Any, Self

from django.utils import timezone

from chat.models import FeedbackQuerySet


@dataclass(frozen=True)
class Filters:
    """What is empty is not asked for. `since` and `until` are days, both included; `person` is an
    e-mail address."""

    kind: str = ""
    model: str = ""
    person: str = ""
    tag: str = ""
    reason: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """From JSON, or from a form's values."""
        texts = ("kind", "model", "person", "tag", "reason")
        values: dict[str, Any] = {name: str(given.get(name) or "") for name in texts}
        return cls(**values, since=_day(given.get("since")), until=_day(given.get("until")))

    def as_json(self) -> dict[str, str]:
        return {name: str(value) for name, value in asdict(self).items() if value}

    def apply(self, rows: FeedbackQuerySet) -> FeedbackQuerySet:
        equal = {
            "kind": self.kind,
            "model_label": self.model,
            "user__email": self.person.lower(),
            "reason": self.reason,
        }
        rows = rows.filter(**{name: value for name, value in equal.items() if value})
        if self.tag:
            rows = rows.tagged(self.tag)
        if self.since:
            rows = rows.filter(created_at__gte=_moment(self.since, time.min))
        if self.until:
            rows = rows.filter(created_at__lte=_moment(self.until, time.max))
        return rows


def _day(value: Any) -> date | None:
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _moment(day: date, at: time) -> datetime:
    return timezone.make_aware(datetime.combine(day, at))
