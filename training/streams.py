"""What a workload tells, read by cursor: page, API, socket and report read the same way.

A cursor is where to go on: the id of the last point, or the number of the next log line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F, Sum

from training.models import HardwareSample, LogChunk, Metric

LOG_LINES_MAX = 2000
POINTS_MAX = 2000


@dataclass(frozen=True)
class Slice:
    items: list[Any]
    next: int


def metrics_after(workload_id: UUID, after: int, limit: int = POINTS_MAX) -> Slice:
    """`after` is the id of the last point that was read; 0 for the beginning."""
    rows = Metric.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk")[:limit]
    found = list(rows)
    return Slice([row.as_row() for row in found], found[-1].pk if found else after)


def hardware_after(workload_id: UUID, after: int, limit: int = POINTS_MAX) -> Slice:
    rows = HardwareSample.objects.filter(workload_id=workload_id, pk__gt=after).order_by("pk")
    found = list(rows[:limit])
    items = [
        {
            "at": row.at.timestamp(),
            "cpu_percent": row.cpu_percent,
            "rss_bytes": row.rss_bytes,
            "gpus": row.gpus,
        }
        for row in found
    ]
    return Slice(items, found[-1].pk if found else after)


def log_length(workload_id: UUID) -> int:
    """How many lines there are."""
    total = LogChunk.objects.filter(workload_id=workload_id).aggregate(total=Sum("count"))["total"]
    return int(total or 0)


def log_after(workload_id: UUID, after: int, limit: int = LOG_LINES_MAX) -> Slice:
    """Lines from number `after` on, counted from 0."""
    chunks = LogChunk.objects.filter(workload_id=workload_id).annotate(end=F("first") + F("count"))
    lines: list[str] = []
    position = after
    for chunk in chunks.filter(end__gt=after).order_by("first").iterator(chunk_size=50):
        here = chunk.text.split("\n")[: chunk.count]
        position = max(position, chunk.first)
        lines += here[position - chunk.first :]
        position = chunk.first + chunk.count
        if len(lines) >= limit:
            extra = len(lines) - limit
            return Slice(lines[:limit], position - extra)
    return Slice(lines, position)


def log_tail(workload_id: UUID, count: int) -> Slice:
    return log_after(workload_id, max(0, log_length(workload_id) - count), count)


def latest_by_step(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a step, in order: what a resumed run told again replaces what it told before."""
    merged: dict[int, dict[str, Any]] = {}
    for row in rows:
        merged.setdefault(row["step"], {}).update(row)
    return [merged[step] for step in sorted(merged)]


def all_metrics(workload_id: UUID) -> list[dict[str, Any]]:
    rows = Metric.objects.filter(workload_id=workload_id).order_by("pk")
    return latest_by_step(row.as_row() for row in rows.iterator(chunk_size=2000))
