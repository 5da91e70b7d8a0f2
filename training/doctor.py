"""The training doctor: rules over what a run tells, each with the step it points at.

Knows no database: it is fed in order and answers with findings. Everything is judged by medians, so
that a single odd batch makes no alarm.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

WINDOW = 24
# Losses in a row that must all lie far above the window before them.
JUMP_POINTS = 3
JUMP_SPREADS, JUMP_SHARE = 6.0, 0.5
# Losses in a row so far above the very first one: the run went astray before a window was full.
ASTRAY_TIMES, ASTRAY_NATS = 3.0, 1.0
# A loss that fell by less than this share after so many points does not fall.
FLAT_POINTS, FLAT_EDGE, FLAT_SHARE = 60, 12, 0.02
RISING_POINTS, RISING_SHARE = 3, 0.02
IDLE_PERCENT, IDLE_S = 10.0, 120.0
# No step for so many times the usual time, and never sooner than this.
STALL_TIMES, STALL_MIN_S = 10.0, 60.0


@dataclass(frozen=True)
class Finding:
    kind: str
    step: int
    facts: dict[str, Any] = field(default_factory=dict)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


class Doctor:
    """One run's. `known`: kinds that have been told and need not be told again."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._told = set(known)
        self._window: deque[float] = deque(maxlen=WINDOW)
        self._suspects: list[tuple[int, float]] = []
        self._first: float | None = None
        self._has_risen = "jump" in self._told
        self._astray: list[int] = []
        self._opening: list[float] = []
        self._recent: deque[float] = deque(maxlen=FLAT_EDGE)
        self._points = 0
        self._best: tuple[float, int] | None = None
        self._worse: list[tuple[int, float]] = []
        self._idle_since: float | None = None
        self._step, self._step_at = 0, 0.0
        self._step_times: deque[float] = deque(maxlen=50)
        self._longest_gap = 0.0

    def _once(self, kind: str, step: int, **facts: Any) -> list[Finding]:
        if kind in self._told:
            return []
        self._told.add(kind)
        return [Finding(kind, step, facts)]

    def metrics(self, step: int, values: Mapping[str, Any]) -> list[Finding]:
        """After each point of the curves. None stands for what is no number."""
        found: list[Finding] = []
        for name in ("loss", "grad_norm", "eval_loss"):
            if name in values and not _is_number(values[name]):
                found += self._once("nan", step, name=name)
        if _is_number(values.get("loss")):
            found += self._loss(step, float(values["loss"]))
        if _is_number(values.get("eval_loss")):
            found += self._evaluation(step, float(values["eval_loss"]))
        return found

    def _loss(self, step: int, loss: float) -> list[Finding]:
        if self._first is None:
            self._first = loss
        jumped = self._jump(step, loss) or self._strayed(step, loss)
        return [*jumped, *self._trend(step, loss)]

    def _jump(self, step: int, loss: float) -> list[Finding]:
        if len(self._window) < WINDOW // 2 or loss <= self._ceiling():
            self._window.extend([*(value for _step, value in self._suspects), loss])
            self._suspects = []
            if "jump" in self._told and len(self._window) == WINDOW:
                self._told.discard("jump")  # calm again: the next one is news
            return []
        self._suspects.append((step, loss))
        if len(self._suspects) < JUMP_POINTS:
            return []
        usual, first = statistics.median(self._window), self._suspects[0][0]
        self._window.clear()
        return self._risen(first, usual, loss)

    def _ceiling(self) -> float:
        usual = statistics.median(self._window)
        spread = statistics.median(abs(value - usual) for value in self._window)
        return usual + max(JUMP_SPREADS * 1.4826 * spread, JUMP_SHARE * abs(usual))

    def _strayed(self, step: int, loss: float) -> list[Finding]:
        """Of a rise from the start, of which a window that rises along sees nothing."""
        first = self._first or 0.0
        if loss <= max(ASTRAY_TIMES * first, first + ASTRAY_NATS):
            self._astray = []
            return []
        self._astray.append(step)
        if len(self._astray) != JUMP_POINTS or self._has_risen:
            return []
        return self._risen(self._astray[0], first, loss)

    def _risen(self, step: int, before: float, after: float) -> list[Finding]:
        self._has_risen = True
        return self._once("jump", step, before=before, after=after)

    def _trend(self, step: int, loss: float) -> list[Finding]:
        self._points += 1
        self._recent.append(loss)
        if len(self._opening) < FLAT_EDGE:
            self._opening.append(loss)
        if self._points != FLAT_POINTS:
            return []
        first, last = statistics.median(self._opening), statistics.median(self._recent)
        if first <= 0 or last < first * (1 - FLAT_SHARE) or self._has_risen:
            return []
        if last > first * (1 + JUMP_SHARE):
            return self._risen(step, first, last)
        return self._once("flat", step, first=first, last=last)

    def _evaluation(self, step: int, loss: float) -> list[Finding]:
        if self._best is None or loss <= self._best[0]:
            self._best, self._worse = (loss, step), []
            self._told.discard("rising")
            return []
        self._worse.append((step, loss))
        if len(self._worse) < RISING_POINTS or loss < self._best[0] * (1 + RISING_SHARE):
            return []
        return self._once("rising", step, best=self._best[0], best_step=self._best[1], last=loss)

    def hardware(self, at: float, gpus: Iterable[Mapping[str, Any]]) -> list[Finding]:
        """After each sample; `at` in unix seconds. Only while steps are made."""
        loads = [float(gpu.get("percent") or 0) for gpu in gpus]
        if not loads or not self._step or max(loads) >= IDLE_PERCENT:
            self._idle_since = None
            return []
        if self._idle_since is None:
            self._idle_since = at
        if at - self._idle_since < IDLE_S:
            return []
        return self._once(
            "gpu_idle", self._step, seconds=round(at - self._idle_since), percent=max(loads)
        )

    def progress(self, step: int, at: float) -> None:
        """After each step that is told; several may have been made since the last."""
        if self._step_at and step > self._step:
            gap = at - self._step_at
            self._step_times.append(gap / (step - self._step))
            self._longest_gap = max(self._longest_gap, gap)
            self._told.discard("stalled")
        if step != self._step or not self._step_at:
            self._step, self._step_at = step, at

    def look(self, now: float) -> list[Finding]:
        """Now and then while nothing is told. An evaluation may take long: the longest pause seen
        so far counts as usual."""
        if len(self._step_times) < 3:
            return []
        usual, waited = statistics.median(self._step_times), now - self._step_at
        if waited < max(STALL_TIMES * usual, STALL_MIN_S, 2 * self._longest_gap):
            return []
        return self._once("stalled", self._step, seconds=round(waited), usual_s=usual)
