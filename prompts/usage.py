"""How often a prompt is used: by day, version and label."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from llmplatform.charts import Bar, bars
from prompts.models import Prompt, PromptUseDay, PromptVersion

DAYS_SHOWN = 30
VERSIONS_SHOWN = 4


def count_use(*, prompt: Prompt, version: PromptVersion, label: str = "") -> None:
    key = {"version": version, "label": label, "day": timezone.localdate()}
    rows = PromptUseDay.objects.filter(**key)
    prompt.count_use()
    if rows.update(uses=F("uses") + 1):
        return
    try:
        with transaction.atomic():
            PromptUseDay.objects.create(prompt=prompt, uses=1, **key)
    except IntegrityError:  # the day's first use, twice at once
        rows.update(uses=F("uses") + 1)


@dataclass(frozen=True)
class Usage:
    """Of the last days. `versions` and `labels` are counts, the most used first; without a label
    the key is empty."""

    days: list[tuple[date, Counter[int]]]
    versions: list[tuple[int, int]]
    labels: list[tuple[str, int]]

    @property
    def total(self) -> int:
        return sum(count for _number, count in self.versions)

    @property
    def first(self) -> date:
        return self.days[0][0]

    @property
    def last(self) -> date:
        return self.days[-1][0]

    @property
    def keys(self) -> list[tuple[int, str]]:
        """Versions that the chart tells apart, with their colours."""
        shown = [number for number, _count in self.versions[:VERSIONS_SHOWN]]
        return [(number, str(place)) for place, number in enumerate(shown, 1)]

    @property
    def has_rest(self) -> bool:
        return len(self.versions) > VERSIONS_SHOWN

    @property
    def bars(self) -> tuple[Bar, ...]:
        colours = dict(self.keys)
        columns = []
        for day, counts in self.days:
            parts = [(colours.get(number, "rest"), count) for number, count in counts.items()]
            columns.append((f"{day.isoformat()}: {counts.total()}", sorted(parts)))
        return bars(columns)


def usage_of(prompt: Prompt, days: int = DAYS_SHOWN) -> Usage:
    today = timezone.localdate()
    first = today - timedelta(days=days - 1)
    found: dict[date, Counter[int]] = {first + timedelta(days=n): Counter() for n in range(days)}
    versions: Counter[int] = Counter()
    labels: Counter[str] = Counter()
    rows = PromptUseDay.objects.filter(prompt=prompt, day__range=(first, today))
    for day, number, label, uses in rows.values_list("day", "version__number", "label", "uses"):
        found[day][number] += uses
        versions[number] += uses
        labels[label] += uses
    return Usage(sorted(found.items()), versions.most_common(), labels.most_common())
