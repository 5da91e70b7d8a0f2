"""A minute, counted by the second, so that memory is constant whatever is counted."""

import math
from collections import deque
from dataclasses import dataclass, field

from providers.gateway.limits.counting import WINDOW_S


@dataclass
class Second:
    """What came in one second, and when the `last` of it came."""

    number: int
    last: float = 0.0
    amount: int = 0

    def ends_in_s(self, now: float) -> int:
        """Until it is a minute ago: no SDK waits for more than 60 s."""
        return min(WINDOW_S, max(1, math.ceil(self.last + WINDOW_S - now)))


@dataclass
class Window:
    """`seconds`: those of the last minute in which something came, oldest first."""

    seconds: deque[Second] = field(default_factory=deque)
    total: int = 0

    def forget(self, now: float) -> None:
        """A second counts until the last of it is a minute ago."""
        while self.seconds and self.seconds[0].last + WINDOW_S <= now:
            self.total -= self.seconds.popleft().amount

    def add(self, now: float, amount: int = 1) -> None:
        second = int(now)
        if not self.seconds or self.seconds[-1].number != second:
            self.seconds.append(Second(second))
        newest = self.seconds[-1]
        newest.last = now
        newest.amount += amount
        self.total += amount

    def correct(self, second: int, amount: int) -> None:
        """`amount` more (or less) in a second that is still part of the minute."""
        for entry in reversed(self.seconds):
            if entry.number == second:
                entry.amount += amount
                self.total += amount
            if entry.number <= second:
                return

    def wait_s(self, amount: int, limit: int, now: float) -> int:
        """Until `amount` more fits; 0 where it never will."""
        if amount > limit:
            return 0
        left = self.total
        for second in self.seconds:
            left -= second.amount
            if left + amount <= limit:
                return second.ends_in_s(now)
        return WINDOW_S

    def reset_s(self, now: float) -> int:
        """Until nothing of it counts any more."""
        return self.seconds[-1].ends_in_s(now) if self.seconds else 0
