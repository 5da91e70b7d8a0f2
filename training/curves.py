"""Curves as SVG made on the server: sparklines of the list, figures of the report. No scripts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import F, Q

from training import curve_blocks
from training.llamafactory import DEFAULTS
from training.models import Metric, TrainingJob

Point = tuple[float, float]
SPARK = (96, 24)
SPARK_POINTS = 48
SPARK_KEPT_S = 3600
LONG_STEPS, OVERVIEW_KEPT_S = 10_000, 60
FIGURE = (640, 200)
PAD = (52, 10, 22, 10)  # left, top, bottom, right


def thin(points: Sequence[Point], limit: int) -> list[Point]:
    """At most about `limit` points; the first and the last one stay."""
    if len(points) <= limit:
        return list(points)
    stride = math.ceil(len(points) / limit)
    kept = list(points[::stride])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]


@dataclass(frozen=True)
class Scale:
    """Maps values onto a box; a flat or single-point curve gets some room around it."""

    x0: float
    x1: float
    y0: float
    y1: float
    width: float
    height: float

    @classmethod
    def around(cls, lines: Sequence[Sequence[Point]], width: float, height: float) -> "Scale":
        xs = [x for line in lines for x, _y in line]
        ys = [y for line in lines for _x, y in line]
        room = (max(ys) - min(ys)) * 0.05 or abs(max(ys)) * 0.1 or 1.0
        x1 = max(xs) if max(xs) > min(xs) else min(xs) + 1
        low = 0.0 if min(ys) >= 0 > min(ys) - room else min(ys) - room
        return cls(min(xs), x1, low, max(ys) + room, width, height)

    def place(self, point: Point) -> Point:
        x = (point[0] - self.x0) / (self.x1 - self.x0) * self.width
        y = self.height - (point[1] - self.y0) / (self.y1 - self.y0) * self.height
        return x, y


def path(points: Sequence[Point], scale: Scale, left: float = 0, top: float = 0) -> str:
    """The `d` of an SVG path."""
    placed = (scale.place(point) for point in points)
    steps = (f"{x + left:.1f} {y + top:.1f}" for x, y in placed)
    return "M" + "L".join(steps)


def sparkline(points: Sequence[Point]) -> str:
    if len(points) < 2:
        return ""
    kept = thin(points, SPARK_POINTS)
    width, height = SPARK
    return path(kept, Scale.around([kept], width, height - 4), 0, 2)


def add_sparklines(jobs: Sequence[TrainingJob]) -> None:
    """Gives each job a `sparkline` of its loss. What has ended is drawn once and kept."""
    keys = {job.pk: f"sparkline:{job.pk}:{job.attempt}" for job in jobs}
    kept = cache.get_many([keys[job.pk] for job in jobs if job.is_final])
    missing = [job for job in jobs if keys[job.pk] not in kept and job.attempt]
    points = _losses(missing)
    drawn = {keys[job.pk]: sparkline(points[job.pk]) for job in missing}
    cache.set_many({keys[job.pk]: drawn[keys[job.pk]] for job in missing if job.is_final})
    for job in jobs:
        job.sparkline = (kept | drawn).get(keys[job.pk], "")  # type: ignore[attr-defined]


def _overview(job: TrainingJob) -> list[Point]:
    """Of a long run, whose points are too many to walk along; as new as it was lately."""
    key = f"overview:{job.pk}:{job.attempt}"
    kept: list[Point] | None = cache.get(key)
    if kept is None:
        series, _cursor = curve_blocks.overview(job.pk, points=SPARK_POINTS)
        kept = [(step, value) for step, _at, value in series.get("loss", [])]
        cache.set(key, kept, OVERVIEW_KEPT_S)
    return kept


def _losses(jobs: Sequence[TrainingJob]) -> dict[Any, list[Point]]:
    """About SPARK_POINTS losses of each, in one query that leaves the others out."""
    points: dict[Any, list[Point]] = {job.pk: [] for job in jobs}
    long = [job for job in jobs if job.step > LONG_STEPS]
    points |= {job.pk: _overview(job) for job in long}
    jobs = [job for job in jobs if job.step <= LONG_STEPS]
    by_stride: dict[int, list[Any]] = {}
    for job in jobs:
        every = int(job.parameters.get("logging_steps") or DEFAULTS["logging_steps"])
        stride = every * max(1, math.ceil(job.step / every / SPARK_POINTS))
        by_stride.setdefault(stride, []).append(job.pk)
    wanted = Q(pk__in=[])
    for stride, ids in by_stride.items():
        wanted |= Q(**{"workload_id__in": ids, f"rest_{stride}": 0})
    rests = {f"rest_{stride}": F("step") % stride for stride in by_stride}
    rows = Metric.objects.alias(**rests).filter(wanted).order_by("workload_id", "step")
    for workload_id, step, values in rows.values_list("workload_id", "step", "values"):
        if isinstance(values.get("loss"), int | float):
            points[workload_id].append((step, values["loss"]))
    return points


@dataclass(frozen=True)
class Figure:
    """What a template needs to draw one chart: paths, and axes with their labels."""

    title: str
    lines: list[dict[str, str]]
    y_marks: list[dict[str, Any]]
    x_marks: list[dict[str, Any]]
    width: int = FIGURE[0]
    height: int = FIGURE[1]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round values between `low` and `high`."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [n * step for n in range(first, last + 1)]


def number(value: float) -> str:
    """Short, for axes and tables: 0.0312, 4.2, 1,204, 5.0e-5."""
    size = abs(value)
    if size and (size < 0.001 or size >= 1e6):
        mantissa, _e, power = f"{value:.1e}".partition("e")
        return f"{mantissa}e{int(power)}"
    return f"{value:,.4g}" if size < 1000 else f"{value:,.0f}"


def figure(title: str, lines: dict[str, list[Point]], limit: int = 400) -> Figure | None:
    """None when there is nothing to draw."""
    kept = {name: thin(points, limit) for name, points in lines.items() if points}
    if not kept:
        return None
    left, top, bottom, right = PAD
    width, height = FIGURE[0] - left - right, FIGURE[1] - top - bottom
    scale = Scale.around(list(kept.values()), width, height)
    drawn = [
        {"name": name, "d": path(points, scale, left, top), "last": number(points[-1][1])}
        for name, points in kept.items()
    ]
    y_marks = [
        {"y": round(scale.place((0, value))[1] + top, 1), "text": number(value)}
        for value in ticks(scale.y0, scale.y1)
    ]
    x_marks = [
        {"x": round(scale.place((v, 0))[0] + left, 1), "text": f"{v:,.0f}"}
        for v in (scale.x0, scale.x1)
    ]
    return Figure(title, drawn, y_marks, x_marks)
