"""Calls that run, so that they end when their key or its user does."""

import asyncio
import contextlib
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

    def call_of(self, key_id: int) -> "_CallOf":
        """`with` it around the work of the current task, which is cancelled when the key ends. Then
        it raises KeyEnded."""
        return _CallOf(self, key_id)

    def begin(self, task: asyncio.Task[Any], key_id: int) -> None:
        self._keys[task] = key_id
        if not self._is_watched:
            self._watch()

    def end(self, task: asyncio.Task[Any]) -> bool:
        """Whether it was cancelled because its key has ended, and by nobody else: a server that
        stops cancels, too."""
        del self._keys[task]
        if task not in self._ended:
            return False
        self._ended.remove(task)
        return task.uncancel() == 0

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


class _CallOf:
    __slots__ = ("_key_id", "_running", "_task")

    def __init__(self, running: RunningCalls, key_id: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running, self._key_id, self._task = running, key_id, task

    def __enter__(self) -> None:
        self._running.begin(self._task, self._key_id)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self._running.end(self._task) and isinstance(error, asyncio.CancelledError):
            raise KeyEnded from None
