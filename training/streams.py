"""What a workload tells, read by cursor: page, API, socket and report read the same way.

A cursor is where to go on: the id of the last point, or the number of the next log line.
"""

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Sum
from django.db.models.functions import Length

from training.models import HardwareSample, LogChunk, Metric, Note, Sample, Status, Transition

LOG_LINES_MAX = 2000
POINTS_MAX = 2000


@dataclass(frozen=True)
class Slice:
    items: list[Any]
    next: int
    # There may be; whoever asks again knows.
    has_more: bool = field(default=False, compare=False)


def metrics_after(workload_id: UUID, after: int, limit: int = POINTS_MAX) -> Slice:
    """`after` is the id of the last point that was read; 0 for the beginning."""
    rows = Metric.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk")[:limit]
    return _rows(list(rows), after, limit)


def hardware_after(workload_id: UUID, after: int, limit: int = POINTS_MAX) -> Slice:
    rows = HardwareSample.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk")
    return _rows(list(rows[:limit]), after, limit)


def _rows(found: Sequence[Metric | HardwareSample], after: int, limit: int) -> Slice:
    last = found[-1].pk if found else after
    return Slice([row.as_row() for row in found], last, len(found) == limit)


def last_attempt(workload_id: UUID) -> int:
    """The last one that has begun to train; 0 before the first."""
    begun = Transition.objects.filter(workload_id=workload_id, status=Status.RUNNING)
    return begun.order_by("-pk").values_list("attempt", flat=True).first() or 0


def log_length(workload_id: UUID) -> int:
    """How many lines there are."""
    chunks = LogChunk.objects.filter(workload_id=workload_id).order_by("-first")
    last = chunks.values_list("first", "count").first()
    return sum(last) if last else 0


def log_chars(workload_id: UUID) -> int:
    """How long it is; all of it is looked at."""
    chunks = LogChunk.objects.filter(workload_id=workload_id)
    return int(chunks.aggregate(found=Sum(Length("text")))["found"] or 0)


def chunks_from(workload_id: UUID, line: int) -> QuerySet[LogChunk]:
    """The chunk that holds `line`, and those behind it, in order."""
    chunks = LogChunk.objects.filter(workload_id=workload_id)
    before = chunks.filter(first__lte=line).order_by("-first").values_list("first", flat=True)
    return chunks.filter(first__gte=before.first() or 0).order_by("first")


def log_after(
    workload_id: UUID, after: int, limit: int = LOG_LINES_MAX, *, chars: int | None = None
) -> Slice:
    """Lines from number `after` on, counted from 0; at most about so many characters of them."""
    lines: list[str] = []
    for chunk in chunks_from(workload_id, after).iterator(chunk_size=5):
        start = after + len(lines) - chunk.first
        here = chunk.text.split("\n")[start : chunk.count]
        fitting = here[: limit - len(lines)]
        if chars is not None:
            fitting = fitting[: bisect(list(accumulate(map(len, fitting))), chars) + 1]
            chars = max(0, chars - sum(map(len, fitting)))
        lines += fitting
        if len(fitting) < len(here) or len(lines) == limit or chars == 0:
            return Slice(lines, after + len(lines), has_more=True)
    return Slice(lines, after + len(lines))


def log_tail(workload_id: UUID, count: int) -> Slice:
    return log_after(workload_id, max(0, log_length(workload_id) - count), count)


def notes_after(workload_id: UUID, after: int) -> list[Note]:
    return list(Note.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk"))


def samples_after(workload_id: UUID, after: int, limit: int = POINTS_MAX) -> Slice:
    rows = Sample.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk")[:limit]
    found = list(rows)
    items = [
        {"step": row.step, "position": row.position, "prompt": row.prompt, "output": row.output}
        for row in found
    ]
    return Slice(items, found[-1].pk if found else after, len(found) == limit)
