"""Whether a resumed run goes on as it would have: the first loss that is told twice, compared.

After a pause nothing is told twice, for it is saved at the very step where it ends. After a crash
the steps behind the checkpoint are: their losses must come out as before. On a processor they do,
to the last bit; kernels of GPUs may add in another order, so small differences count as close.
"""

import itertools
from typing import Any

from training.models import Metric, TrainingJob, Workload

LOOKED_AT = 200
CLOSE = 1e-3


class Continuity:
    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self._known: dict[int, float] = {}
        self._step = 0

    @property
    def memory(self) -> tuple[int, dict[int, float]]:
        return self._step, self._known

    @memory.setter
    def memory(self, known: tuple[int, dict[int, float]]) -> None:
        self._step, self._known = known

    def resumed(self, step: int) -> None:
        """Call it before what was told behind `step` is forgotten."""
        rows = Metric.objects.filter(workload=self.workload, step__gt=step).order_by("step", "pk")
        losses = {
            row.step: float(row.values["loss"])
            for row in rows[:LOOKED_AT]
            if row.values.get("loss") is not None
        }
        self._step, self._known = step, _whole_windows(losses, step)
        if step:
            self._write({"step": step, "attempt": self.workload.attempt, "verdict": "not_repeated"})

    def told(self, event: dict[str, Any]) -> None:
        before, again = self._known.get(event["step"]), event.get("loss")
        if before is None or again is None:
            return
        self._known = {}
        self._write(
            {
                "step": self._step,
                "attempt": self.workload.attempt,
                "compared_step": event["step"],
                "before": before,
                "again": again,
                "verdict": verdict(before, float(again)),
            }
        )

    def _write(self, row: dict[str, Any]) -> None:
        jobs = TrainingJob.objects.filter(pk=self.workload.pk)
        known = jobs.values_list("continuity", flat=True).first() or []
        rows = [each for each in known if each["attempt"] != row["attempt"]]
        jobs.update(continuity=[*rows, row])


def verdict(before: float, again: float) -> str:
    """same, close or different."""
    if before == again:
        return "same"
    return "close" if abs(before - again) <= CLOSE * max(abs(before), 1e-9) else "different"


def _whole_windows(losses: dict[int, float], step: int) -> dict[int, float]:
    """Without the first if a resume falls between two of them: it is then a mean of fewer steps."""
    steps = sorted(losses)
    every = min((b - a for a, b in itertools.pairwise(steps)), default=1)
    if steps and (steps[0] - step) < every:
        steps = steps[1:]
    return {each: losses[each] for each in steps}
