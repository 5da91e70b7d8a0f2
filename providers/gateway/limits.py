"""Requests per minute of a key, in this process: counts by the second, so memory is constant."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

WINDOW_S = 60
KEYS_KEPT = 10_000


@dataclass(frozen=True)
class Allowance:
    """`retry_after_s` is set when the request is one too many."""

    limit: int
    remaining: int
    retry_after_s: int | None = None


@dataclass
class _Counts:
    """`seconds` holds [second, requests], oldest first, of the last minute."""

    seconds: deque[list[int]] = field(default_factory=deque)
    total: int = 0

    def forget(self, now: float) -> None:
        """A second counts until all of it is more than a minute ago."""
        while self.seconds and self.seconds[0][0] + 1 + WINDOW_S <= now:
            self.total -= self.seconds.popleft()[1]

    def add(self, now: float) -> None:
        second = int(now)
        if not self.seconds or self.seconds[-1][0] != second:
            self.seconds.append([second, 0])
        self.seconds[-1][1] += 1
        self.total += 1

    def wait_s(self, limit: int, now: float) -> int:
        """Until one more fits."""
        left = self.total
        for second, count in self.seconds:
            left -= count
            if left < limit:
                return max(1, math.ceil(second + 1 + WINDOW_S - now))
        return WINDOW_S


class RequestLimits:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[int, _Counts] = {}

    def take(self, key_id: int, limit: int) -> Allowance:
        """Counts one request of `key_id`, unless it is over `limit`."""
        now = self._clock()
        counts = self._keys.get(key_id)
        if counts is None:
            self._make_room(now)
            counts = self._keys[key_id] = _Counts()
        counts.forget(now)
        if counts.total >= limit:
            return Allowance(limit, 0, counts.wait_s(limit, now))
        counts.add(now)
        return Allowance(limit, limit - counts.total)

    def _make_room(self, now: float) -> None:
        if len(self._keys) < KEYS_KEPT:
            return
        for counts in self._keys.values():
            counts.forget(now)
        idle = [key_id for key_id, counts in self._keys.items() if not counts.total]
        for key_id in idle or list(self._keys)[: max(1, KEYS_KEPT // 10)]:
            del self._keys[key_id]
