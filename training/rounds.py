"""The doctor's rounds: what a runner tells is shown to the doctor, whose remarks become rows."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from training.doctor import Doctor, Finding
from training.models import Metric, Note, Workload

# Points that a doctor is reminded of who has just come (the shim was started anew).
OPENING, RECENT = 20, 120


class Rounds:
    """One workload's, for the life of a shim."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self._doctor: Doctor | None = None

    @property
    def doctor(self) -> Doctor:
        if self._doctor is None:
            self._doctor = self._called()
        return self._doctor

    def _called(self) -> Doctor:
        notes = Note.objects.filter(workload=self._workload)
        doctor = Doctor(known=notes.values_list("kind", flat=True))
        points = Metric.objects.filter(workload=self._workload).order_by("pk")
        opening = list(points[:OPENING])
        behind = opening[-1].pk if opening else 0
        recent = list(points.filter(pk__gt=behind).order_by("-pk")[:RECENT])
        for row in [*opening, *reversed(recent)]:
            doctor.metrics(row.step, row.values)
        return doctor

    def begin(self) -> None:
        """An attempt begins: what was said of the points that it tells anew is said again."""
        self._doctor = None

    def metrics(self, step: int, values: dict[str, Any], at: float) -> None:
        self._write(self.doctor.metrics(step, values), at)

    def hardware(self, at: float, gpus: Iterable[dict[str, Any]]) -> None:
        self._write(self.doctor.hardware(at, gpus), at)

    def progress(self, step: int, at: float) -> None:
        self.doctor.progress(step, at)

    def look(self, now: float) -> None:
        if self._doctor is not None:
            self._write(self._doctor.look(now), now)

    def _write(self, found: Iterable[Finding], at: float) -> None:
        for finding in found:
            Note.objects.get_or_create(
                workload=self._workload,
                kind=finding.kind,
                step=finding.step,
                defaults={"facts": finding.facts, "at": datetime.fromtimestamp(at, UTC)},
            )
