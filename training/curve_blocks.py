"""Curves of any length, as few points: blocks of many points hold their lowest and highest values.

A series is a list of [step, at, value] in order of the steps; `at` in unix seconds.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson
from django.db import IntegrityError, transaction
from django.db.models import F, Min, QuerySet, TextField
from django.db.models.functions import Cast

from training.models import CurveBlock, HardwareSample, Metric
from training.step_runs import Run, runs_of

BLOCK_POINTS = 512
# Fewer points than this are told as they are.
RAW_MAX = 4096
NOT_SERIES = frozenset({"epoch", "num_input_tokens_seen", "total_flos"})
Point = list[Any]
Series = dict[str, list[Point]]


def roll_up(workload_id: UUID) -> None:
    """Make blocks of what has none yet. Any number of these at once do no harm."""
    last_id = _rolled_up(workload_id)
    while True:
        rows = list(_points(workload_id).filter(pk__gt=last_id).order_by("pk")[:BLOCK_POINTS])
        if len(rows) < BLOCK_POINTS:
            return
        try:
            with transaction.atomic():
                _make_block(workload_id, rows)
        except IntegrityError:  # somebody else was faster
            return
        last_id = rows[-1].pk


def _make_block(workload_id: UUID, rows: Sequence[Metric]) -> None:
    steps = [row.step for row in rows]
    CurveBlock.objects.create(
        workload_id=workload_id,
        first_id=rows[0].pk,
        last_id=rows[-1].pk,
        first_step=min(steps),
        last_step=max(steps),
        series={name: extremes(points) for name, points in series_of(rows).items()},
        steps=runs_of(sorted({row.step for row in rows if "loss" in row.values})),
    )


def _points(workload_id: UUID) -> Any:
    return Metric.objects.filter(workload_id=workload_id)


def _rolled_up(workload_id: UUID) -> int:
    """The id of the last point that is in a block."""
    blocks = CurveBlock.objects.filter(workload_id=workload_id).order_by("-first_id")
    return blocks.values_list("last_id", flat=True).first() or 0


def forget_after(workload_id: UUID, step: int) -> None:
    """A resumed run tells again what came after `step`."""
    _points(workload_id).filter(step__gt=step).delete()
    CurveBlock.objects.filter(workload_id=workload_id, last_step__gt=step).delete()


def series_of(rows: Iterable[Metric]) -> Series:
    """What is told again later counts instead of what was told before."""
    found: dict[str, dict[int, Point]] = {}
    for row in rows:
        at = round(row.at.timestamp(), 1)
        for name, value in row.values.items():
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and name not in NOT_SERIES:
                found.setdefault(name, {})[row.step] = [row.step, at, value]
    return {name: [points[step] for step in sorted(points)] for name, points in found.items()}


def extremes(points: Sequence[Point]) -> list[Point]:
    """The lowest and the highest point, in their order."""
    low = min(points, key=lambda point: point[2])
    high = max(points, key=lambda point: point[2])
    return [low] if low is high else sorted((low, high))


def thin(points: list[Point], limit: int) -> list[Point]:
    """At most about `limit` points, spikes included; the first and the last one stay."""
    if len(points) <= limit:
        return points
    size = math.ceil(2 * len(points) / limit)
    runs = (points[i : i + size] for i in range(0, len(points), size))
    kept = [point for run in runs for point in extremes(run)]
    if kept[0] is not points[0]:
        kept.insert(0, points[0])
    return kept if kept[-1] is points[-1] else [*kept, points[-1]]


def overview(
    workload_id: UUID, *, points: int, first: int = 0, last: int | None = None
) -> tuple[Series, int]:
    """The series between two steps at about so many points each, and the id of the last point
    read, which is where to go on from."""
    blocks = CurveBlock.objects.filter(workload_id=workload_id, last_step__gte=first)
    rows = _points(workload_id).filter(step__gte=first)
    if last is not None:
        blocks, rows = blocks.filter(first_step__lte=last), rows.filter(step__lte=last)
    known = blocks.count() * BLOCK_POINTS
    found: Series = {}
    if known > RAW_MAX:
        for series in _decoded(blocks):
            for name, each in series.items():
                found.setdefault(name, []).extend(each)
        rows = rows.filter(pk__gt=_rolled_up(workload_id))
    newest = list(rows.order_by("pk"))
    for name, each in series_of(newest).items():
        found.setdefault(name, []).extend(each)
    if first or last is not None:
        found = {name: _within(each, first, last) for name, each in found.items()}
    cut = {name: thin(each, points) for name, each in found.items()}
    cursor = _points(workload_id).order_by("-pk").values_list("pk", flat=True).first() or 0
    return cut, newest[-1].pk if newest else cursor


def _decoded(blocks: QuerySet[CurveBlock]) -> list[Series]:
    """The series of all; to decode each by itself would take most of the time of a long curve."""
    texts = blocks.annotate(text=Cast("series", TextField())).values_list("text", flat=True)
    found: list[Series] = orjson.loads(f"[{','.join(texts)}]")
    return found


def told_steps(workload_id: UUID) -> list[Run]:
    """Those whose loss was told, as runs; a step may be in more than one."""
    blocks = CurveBlock.objects.filter(workload_id=workload_id)
    runs: list[Run] = [run for each in blocks.values_list("steps", flat=True) for run in each]
    newest = _points(workload_id).filter(pk__gt=_rolled_up(workload_id)).order_by()
    values = newest.values_list("step", "values").iterator()
    return runs + runs_of(sorted({step for step, each in values if "loss" in each}))


def _within(points: list[Point], first: int, last: int | None) -> list[Point]:
    return [p for p in points if p[0] >= first and (last is None or p[0] <= last)]


def hardware_overview(workload_id: UUID, points: int) -> tuple[list[dict[str, Any]], int]:
    """About so many samples over the whole run, and the id of the last one."""
    rows = HardwareSample.objects.filter(workload_id=workload_id).order_by("pk")
    ids = rows.values_list("pk", flat=True)
    first, last = ids.first(), ids.last()
    if first is None or last is None:
        return [], 0
    found = rows
    if last - first >= points:
        # The first of each stretch: a long run has hundreds of thousands.
        stretch = F("pk") - F("pk") % math.ceil((last - first + 1) / points)
        firsts = rows.order_by().annotate(stretch=stretch).values("stretch")
        wanted = {*firsts.annotate(first=Min("pk")).values_list("first", flat=True), last}
        found = found.filter(pk__in=sorted(wanted))
    return [row.as_row() for row in found], last
