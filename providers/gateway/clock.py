"""Deadlines that hardly ever come, for nearly nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

RESOLUTION_S = 0.1
# A later alarm is looked at now and then, so that those that were cancelled do not stay for long.
LOOK_AGAIN_S = 5.0


class Alarm:
    """A call to be made later, unless it is cancelled."""

    __slots__ = ("call", "due")

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self.due = due
        self.call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self.call = None


class SlowClock:
    """One timer of the event loop for all the alarms of a tenth of a second: a timer of its own
    costs a request more than most of its work, and nearly all are cancelled.

    Alarms ring up to RESOLUTION_S late, never early.
    """

    def __init__(self) -> None:
        self._ticks: dict[int, list[Alarm]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def alarm(self, after_s: float, call: Callable[[], object]) -> Alarm:
        now = self.now()
        alarm = Alarm(now + after_s, call)
        self._add(alarm, now)
        return alarm

    def _add(self, alarm: Alarm, now: float) -> None:
        at = min(alarm.due, now + LOOK_AGAIN_S)
        self._ticks[int(at / RESOLUTION_S) + 1].append(alarm)
        if self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self.now()
        for tick in sorted(tick for tick in self._ticks if tick * RESOLUTION_S <= now):
            for alarm in self._ticks.pop(tick):
                call = alarm.call
                if call is not None and alarm.due > now:
                    self._add(alarm, now)
                elif call is not None:
                    alarm.call = None
                    call()
        if self._ticks and self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)
