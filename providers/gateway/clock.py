"""Deadlines that hardly ever come, for nearly nothing."""

import asyncio
from collections.abc import Callable
from typing import Protocol

RESOLUTION_S = 0.1


class Entry(Protocol):
    def tick(self, now: float) -> None: ...


class SlowClock:
    """One timer of the event loop for everything that may have to be ended: a timer of its own
    costs a request more than most of its work, and nearly all are cancelled.

    What has joined is told the time every RESOLUTION_S, until it leaves.
    """

    def __init__(self) -> None:
        self._entries: dict[Entry, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time

    def join(self, entry: Entry) -> None:
        self._entries[entry] = None
        if self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)

    def leave(self, entry: Entry) -> None:
        self._entries.pop(entry, None)

    def alarm(self, after_s: float, call: Callable[[], object]) -> "Alarm":
        """Rings up to RESOLUTION_S late, never early."""
        alarm = Alarm(self, self.now() + after_s, call)
        self.join(alarm)
        return alarm

    def _tick(self) -> None:
        self._timer, now = None, self.now()
        for entry in list(self._entries):
            if entry in self._entries:  # an earlier one may have made it leave
                entry.tick(now)
        if self._entries and self._timer is None:
            self._timer = self._loop.call_later(RESOLUTION_S, self._tick)


class Alarm:
    """A call to be made later, unless it is cancelled."""

    def __init__(self, clock: SlowClock, due: float, call: Callable[[], object]) -> None:
        self._clock, self._due, self._call = clock, due, call

    def cancel(self) -> None:
        self._clock.leave(self)

    def tick(self, now: float) -> None:
        if now >= self._due:
            self._clock.leave(self)
            self._call()
