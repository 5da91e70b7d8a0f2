"""A minute, counted by the second, so that memory is constant whatever is counted."""

import math
from collections import deque
from dataclasses import dataclass, field

from providers.gateway.limits.counting import WINDOW_S


@dataclass
class Window:
    """`seconds` holds [second, amount], oldest first, of the last minute."""

    seconds: deque[list[int]] = field(default_factory=deque)
    total: int = 0

    def forget(self, now: float) -> None:
        """A second counts until all of it is more than a minute ago."""
        while self.seconds and self.seconds[0][0] + 1 + WINDOW_S <= now:
            self.total -= self.seconds.popleft()[1]

    def add(self, now: float, amount: int = 1) -> None:
        second = int(now)
        if not self.seconds or self.seconds[-1][0] != second:
            self.seconds.append([second, 0])
        self.seconds[-1][1] += amount
        self.total += amount

    def correct(self, second: int, amount: int) -> None:
        """`amount` more (or less) in a second that is still part of the minute."""
        for entry in self.seconds:
            if entry[0] == second:
                entry[1] += amount
                self.total += amount

    def wait_s(self, amount: int, limit: int, now: float) -> int:
        """Until `amount` more fits; 0 where it never will."""
        if amount > limit:
            return 0
        left = self.total
        for second, count in self.seconds:
            left -= count
            if left + amount <= limit:
                return max(1, math.ceil(second + 1 + WINDOW_S - now))
        return WINDOW_S

    def reset_s(self, now: float) -> int:
        """Until nothing of it counts any more."""
        if not self.seconds:
            return 0
        return math.ceil(self.seconds[-1][0] + 1 + WINDOW_S - now)
