"""How long a run may take, and how long its GPUs may do nothing.

Time is the process's own age by a clock that nobody sets, so that a jump of the machine's clock
ends nothing.
"""

import time
from collections.abc import Callable
from typing import Any

from training.models import Kind, Reason, SharingSettings, Workload

IDLE_PERCENT = 3.0


class Limits:
    """`age_s`: of the runner, or None while there is none."""

    def __init__(
        self,
        workload: Workload,
        age_s: Callable[[], float | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._age_s, self._clock = age_s, clock
        self._max_s: float | None = None
        self._idle_s: float | None = None
        self._slots = frozenset[int]()
        self._busy_at: float | None = None
        if workload.kind == Kind.TRAIN:
            self._read(workload)

    def _read(self, workload: Workload) -> None:
        common = SharingSettings.current()
        hours = common.max_hours if workload.max_hours is None else workload.max_hours
        minutes = common.idle_minutes if workload.idle_minutes is None else workload.idle_minutes
        self._max_s = hours * 3600 if hours else None
        self._idle_s = minutes * 60 if minutes else None
        slots = workload.slots.filter(is_gpu=True, node=workload.node)
        self._slots = frozenset(slots.values_list("index", flat=True))

    def note(self, event: dict[str, Any]) -> None:
        """An event of the runner; `hardware` tells what its GPUs do, once it trains."""
        if event["type"] == "started":
            self._busy_at = self._clock()
        if event["type"] != "hardware" or self._busy_at is None or not self._slots:
            return
        loads = [g.get("percent") or 0 for g in event["gpus"] if g.get("index") in self._slots]
        if not loads or max(loads) > IDLE_PERCENT:
            self._busy_at = self._clock()

    def passed(self) -> str | None:
        """Which of them, as a Reason."""
        if self._max_s is not None and (self._age_s() or 0.0) > self._max_s:
            return Reason.TIME_LIMIT
        if self._idle_s is None or self._busy_at is None or not self._slots:
            return None
        return Reason.IDLE if self._clock() - self._busy_at > self._idle_s else None
