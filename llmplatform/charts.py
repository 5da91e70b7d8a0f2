"""Small charts as SVG that the server draws: they follow the theme and need no script.

The template gives them their colours; coordinates are in a box of WIDTH x HEIGHT.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240.0, 48.0
# Hairlines at the edges stay inside the box.
INSET = 1.5

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """`path` breaks where a value is unknown; `area` is the same, closed to the ground."""

    path: str
    area: str
    is_empty: bool


@dataclass(frozen=True)
class Bar:
    """One column: `parts` from the ground up, as (kind, y, height)."""

    x: float
    width: float
    parts: tuple[tuple[str, float, float], ...]
    title: str


def _runs(values: Values) -> list[list[tuple[int, float]]]:
    """Stretches of known values as (index, value)."""
    runs: list[list[tuple[int, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((index, value))
    return [run for run in runs if run]


def line(values: Values, top: float) -> Line:
    """`values` from left to right at equal distances; `top` is the value at the upper edge."""
    step = WIDTH / max(1, len(values) - 1)
    ground = HEIGHT - INSET
    path, area = [], []
    for run in _runs(values):
        points = [
            (index * step, ground - min(1.0, value / top if top else 0) * (ground - INSET))
            for index, value in run
        ]
        if len(points) == 1:  # a single sample is seen as a short dash
            points.append((points[0][0] + step / 2, points[0][1]))
        drawn = " L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        path.append(f"M{drawn}")
        area.append(f"M{points[0][0]:.1f} {ground} L{drawn} L{points[-1][0]:.1f} {ground} Z")
    return Line(" ".join(path), " ".join(area), not path)


def bars(columns: Sequence[tuple[str, Sequence[tuple[str, float | None]]]]) -> tuple[Bar, ...]:
    """Stacked columns of (title, [(kind, value)]); the highest fills the box. Unknown: no part."""
    slot = WIDTH / max(1, len(columns))
    top = max((sum(value or 0 for _kind, value in parts) for _title, parts in columns), default=0)
    drawn = []
    for index, (title, parts) in enumerate(columns):
        ground, shown = HEIGHT, []
        for kind, value in parts:
            if not value:
                continue
            height = max(1.0, value / top * (HEIGHT - INSET))
            ground -= height
            shown.append((kind, round(max(0.0, ground), 1), round(height, 1)))
        x, width = index * slot + slot * 0.12, slot * 0.76
        drawn.append(Bar(round(x, 1), round(width, 1), tuple(shown), title))
    return tuple(drawn)
