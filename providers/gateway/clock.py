"""Deadlines that hardly ever come, for nearly nothing."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from math import ceil

RESOLUTION_S = 0.1


class Alarm:
    """A call to be made later, unless it is cancelled."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def cancel(self) -> None:
        self._call = None

    def ring(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class SlowClock:
    """One timer of the event loop for all the alarms of a tenth of a second: a timer of its own
    costs a request more than most of its work, and nearly all are cancelled.

    Alarms ring up to RESOLUTION_S late, never early.
    """

    def __init__(self) -> None:
        self._due: dict[int, list[Alarm]] = defaultdict(list)
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def alarm(self, after_s: float, call: Callable[[], object]) -> Alarm:
        alarm = Alarm(call)
        self._due[ceil((self.now() + after_s) / RESOLUTION_S)].append(alarm)
        if self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)
        return alarm

    def _tick(self) -> None:
        self._timer = None
        current = int(self.now() / RESOLUTION_S)
        for tick in sorted(tick for tick in self._due if tick <= current):
            for alarm in self._due.pop(tick):
                alarm.ring()
        if self._due and self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)
