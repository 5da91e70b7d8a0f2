"""Calls that run, so that they end when their key or its user does."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import Error as DatabaseError

from providers.gateway.authentication import Keyring
from providers.gateway.clock import SlowClock

# A call must have ended 5 s after its key: with this, what the keyring knows may be a second old.
CHECK_EVERY_S = 2.0


class KeyEnded(Exception):
    """The key was revoked or has expired, or its user was deactivated."""


class RunningCalls:
    """The task of each call and the key it answers to.

    All of them are looked at together, every few seconds and only while there are any: most calls
    have ended before, and cost no more than an entry in a dictionary.
    """

    def __init__(self, keyring: Keyring, clock: SlowClock) -> None:
        self._keyring = keyring
        self._clock = clock
        self._keys: dict[asyncio.Task[Any], int] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._looking: asyncio.Task[None] | None = None
        self._is_watched = False
        keyring.in_use = self._keys.values()

    @contextlib.contextmanager
    def call_of(self, key_id: int) -> Iterator[None]:
        """Around the work of the current task, which is cancelled when the key ends. Then it raises
        KeyEnded."""
        task = asyncio.current_task()
        assert task is not None
        self._keys[task] = key_id
        if not self._is_watched:
            self._watch()
        try:
            yield
        except asyncio.CancelledError:
            # Others may have cancelled it as well: a server that stops.
            if task in self._ended and task.cancelling() == 1:
                raise KeyEnded from None
            raise
        finally:
            del self._keys[task]
            if task in self._ended:
                self._ended.remove(task)
                task.uncancel()

    def _watch(self) -> None:
        self._is_watched = bool(self._keys)
        if self._is_watched:
            self._clock.alarm(CHECK_EVERY_S, self._begin)

    def _begin(self) -> None:
        if self._keys:
            self._looking = asyncio.create_task(self._look())
        else:
            self._is_watched = False

    async def _look(self) -> None:
        try:
            with contextlib.suppress(DatabaseError):  # the log has it; until it is back they go on
                await self._end_calls()
        finally:
            self._watch()

    async def _end_calls(self) -> None:
        ended = await self._keyring.ended(set(self._keys.values()))
        for task, key_id in self._keys.items():
            if key_id in ended and task not in self._ended:
                self._ended.add(task)
                task.cancel()
