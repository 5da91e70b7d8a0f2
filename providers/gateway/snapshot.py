"""A value read from the database that may be a few seconds old."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from asgiref.sync import sync_to_async
from django.db import Error as DatabaseError
from django.db import connections

logger = logging.getLogger(__name__)
T = TypeVar("T")
P = ParamSpec("P")

# A change must hold within 5 s: the oldest value that is used, plus the time to read a new one.
REFRESH_AFTER_S = 2.0
USABLE_FOR_S = 3.0


class Read(Protocol):
    """Calls a function where it may use the database."""

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...


class DatabaseThread:
    """Calls functions in one thread, one after the other, on a database connection that stays: a
    new one costs more than what is asked of it. It is given back when nobody has asked for
    `idle_s`, and after an error, since it may be broken."""

    def __init__(self, name: str, *, idle_s: float) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._idle_s = idle_s
        self._idle: asyncio.TimerHandle | None = None

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Raises what `function` raises."""
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
        try:
            return await loop.run_in_executor(self._executor, _called, function, args, kwargs)
        finally:
            self._idle = loop.call_later(self._idle_s, self._executor.submit, connections.close_all)

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)


def _called(function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    try:
        return function(*args, **kwargs)
    except BaseException:
        with contextlib.suppress(Exception):
            connections.close_all()
        raise


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`function` in a thread of its own; its database connection is given back afterwards."""

    def run() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    return await sync_to_async(run, thread_sensitive=False)()


class Refreshed(Generic[T]):
    """The latest result of `load`: renewed while it is still usable, so that nobody waits for it.

    A failing `load` reaches callers only once the last value is too old to use.
    """

    def __init__(
        self,
        load: Callable[[], Awaitable[T]],
        *,
        refresh_after_s: float = REFRESH_AFTER_S,
        usable_for_s: float = USABLE_FOR_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._refresh_after_s = refresh_after_s
        self._usable_for_s = usable_for_s
        self._clock = clock
        self._value: T | None = None
        self._read_at = float("-inf")
        self._running: asyncio.Task[T] | None = None
        self._expiries = self._read_in = 0

    def expire(self, **_signal: Any) -> None:
        """What is known, or being read, is out of date. From any thread."""
        self._expiries += 1

    def known(self) -> T | None:
        """What is usable now; None where `get` has to wait."""
        if self._expiries != self._read_in:
            self._read_in, self._read_at, self._running = self._expiries, float("-inf"), None
        age = self._clock() - self._read_at
        if age >= self._refresh_after_s and self._running is None:
            self._running = asyncio.create_task(self._renew())
            self._running.add_done_callback(self._finished)
        return self._value if age < self._usable_for_s else None

    async def get(self) -> T:
        value = self.known()
        if value is not None:
            return value
        assert self._running is not None
        return await asyncio.shield(self._running)

    async def _renew(self) -> T:
        started, expiries = self._clock(), self._expiries
        value = await self._load()
        if expiries == self._expiries:
            self._value, self._read_at = value, started
        return value

    def _finished(self, task: "asyncio.Task[T]") -> None:
        if self._running is task:
            self._running = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            level = logging.WARNING if isinstance(error, DatabaseError) else logging.ERROR
            logger.log(level, "a snapshot could not be renewed: %s", type(error).__name__)
