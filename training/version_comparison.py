"""Two versions side by side: their data, how they were trained, what came of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from training.models import ModelVersion


@dataclass(frozen=True)
class Difference:
    """One line; None where a version has no such value."""

    section: str
    name: str
    left: Any
    right: Any

    @property
    def differs(self) -> bool:
        return bool(self.left != self.right)


@dataclass(frozen=True)
class Comparison:
    left: ModelVersion
    right: ModelVersion
    rows: list[Difference]

    def section(self, name: str) -> list[Difference]:
        return [row for row in self.rows if row.section == name]

    @property
    def sections(self) -> list[tuple[str, list[Difference]]]:
        titles = {
            "data": _("Data"),
            "parameters": _("Parameters"),
            "results": _("Results"),
            "packages": _("Packages"),
        }
        return [(title, rows) for name, title in titles.items() if (rows := self.section(name))]


DATA = ("base_model", "dataset", "dataset_records", "dataset_sha256", "stage", "method")


def compare(left: ModelVersion, right: ModelVersion) -> Comparison:
    a, b = left.lineage, right.lineage
    rows = [
        *_lines("data", a, b, DATA),
        *_lines("parameters", a.get("parameters", {}), b.get("parameters", {})),
        *_lines("results", left.metrics, right.metrics),
        *_lines("packages", a.get("versions", {}), b.get("versions", {})),
    ]
    return Comparison(left, right, rows)


def _lines(
    section: str, left: dict[str, Any], right: dict[str, Any], names: Iterable[str] = ()
) -> list[Difference]:
    """In the order of `names`, or in that of the left one with the right one's own behind."""
    wanted = list(names) or [*left, *(name for name in right if name not in left)]
    return [
        Difference(section, name, left.get(name), right.get(name))
        for name in wanted
        if name in left or name in right
    ]
