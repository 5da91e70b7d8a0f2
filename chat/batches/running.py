"""Makes the calls of batch comparisons, in the worker that was nudged to look.

A task of Celery has a minute and an answer may take longer, so calls are asyncio tasks on one loop
in a thread of its own; the task only wakes it. No connection to the database is held meanwhile.
"""

import asyncio
import atexit
import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, cast

from django.db import DatabaseError

from chat.batches import calls, claims
from chat.batches.calls import ATTEMPTS_MAX, INTERRUPTED, Call
from chat.batches.requests import Unreadable, verdict_in
from chat.saving import without_connection
from providers.errors import (
    Authentication,
    BudgetReached,
    BudgetReserved,
    Forbidden,
    LimitReached,
    NoMoney,
    NoSuchModel,
    NothingThere,
    Overloaded,
    ProviderError,
    RateLimited,
    Unavailable,
)
from providers.services import reserved, stream_chat
from providers.types import ChatRequest, Event, Target

logger = logging.getLogger(__name__)

CALLS_MAX = 32
BEAT_EVERY_S, LOOK_EVERY_S = 5.0, 2.0
# No second try mends these: all further calls of the model would end alike.
HOPELESS = (Authentication, Forbidden, NoMoney, NoSuchModel, NothingThere)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
SAVE_ATTEMPTS, SAVE_PAUSE_S = 30, 2.0

Stream = Callable[[Target, ChatRequest], AsyncIterator[Event]]


class BatchRunner:
    """Thread-safe from outside."""

    def __init__(self, *, stream: Stream = stream_chat) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database = ThreadPoolExecutor(2, thread_name_prefix="batch-database")
        self._running: dict[uuid.UUID, tuple[Call, asyncio.Task[None]]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._idle = threading.Event()
        self._idle.set()

    def look(self) -> None:
        """Make the calls that are to be made, until there are none."""
        self._idle.clear()
        self._home().call_soon_threadsafe(self._wake)

    def wait(self, timeout_s: float) -> bool:
        """Whether there was nothing left to do after at most `timeout_s`."""
        return self._idle.wait(timeout_s)

    def shut_down(self) -> None:
        """Others may begin what has not ended here. In this thread: at the interpreter's end none
        can be started any more."""
        for call, _task in list(self._running.values()):
            with suppress(DatabaseError):
                calls.give_back(call)
                calls.record(call, INTERRUPTED, INTERRUPTED)

    def _home(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = self._loop.run_forever
                threading.Thread(target=run, name="batches", daemon=True).start()
            return self._loop

    def _wake(self) -> None:
        self._news.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
            self._keeper.add_done_callback(self._sleep)

    def _sleep(self, keeper: asyncio.Task[None]) -> None:
        self._keeper = None
        if not keeper.cancelled() and keeper.exception() is not None:
            logger.error("comparisons stand still until the next look", exc_info=keeper.exception())
        self._idle.set()

    async def _keep(self) -> None:
        beaten_at = time.monotonic()
        while True:
            self._news.clear()
            try:
                if time.monotonic() - beaten_at >= BEAT_EVERY_S:
                    beaten_at = time.monotonic()
                    await self._beat()
                await self._begin()
            except DatabaseError:
                logger.warning("comparisons cannot be read now; the next turn tries again")
            # One that ended while the database was asked has made room for more.
            if not self._running and not self._news.is_set():
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY_S)

    async def _begin(self) -> None:
        for call in await self._in_database(claims.claim, CALLS_MAX - len(self._running)):
            task = asyncio.create_task(self._run(call))
            self._running[call.run] = (call, task)
            task.add_done_callback(partial(self._end, call.run))

    def _end(self, run: uuid.UUID, _task: asyncio.Task[None]) -> None:
        self._running.pop(run, None)
        self._news.set()

    async def _beat(self) -> None:
        """Say that the calls are alive, and end those that somebody cancelled."""
        runs = {call.cell.pk: run for run, (call, _task) in self._running.items()}
        for run in await self._in_database(claims.beat, runs):
            call, task = self._running.get(run, (None, None))
            if call is not None and task is not None and not call.is_unwanted:
                call.is_unwanted = True
                task.cancel()

    async def _run(self, call: Call) -> None:
        """The whole life of a call; whatever happens, what came of it is kept."""
        try:
            await self._pump(call)
            keep = self._keep_verdict if call.is_judge else calls.keep_answer
            await self._save(keep, call)
        except ProviderError as error:
            await self._save(refused, call, error)
        except asyncio.CancelledError:
            await self._save(left, call)
        except Exception:
            logger.exception("a call of a comparison failed")
            await self._save(failed, call, "internal")

    @staticmethod
    def _keep_verdict(call: Call) -> None:
        try:
            score, reason = verdict_in(call.said.text)
        except Unreadable:
            failed(call, "unreadable", status="done")
        else:
            calls.keep_verdict(call, score, reason)

    async def _pump(self, call: Call) -> None:
        request, measured = call.request(), call.measured
        place = reserved(
            user=call.batch.owner, target=call.target, request=request, measured=measured
        )
        stream = cast(AsyncGenerator[Event], self._stream(call.target, request))
        async with place, aclosing(stream) as events:
            async for event in events:
                measured.note(event)
                call.said.take(event)
        measured.ended = time.monotonic()

    async def _save(self, keep: Callable[..., None], *args: Any) -> None:
        for attempt in range(SAVE_ATTEMPTS):
            try:
                await self._in_database(keep, *args)
                return
            except DatabaseError:
                logger.warning("a comparison could not be saved yet", exc_info=attempt == 0)
                await asyncio.sleep(SAVE_PAUSE_S)

    async def _in_database(self, work: Callable[..., Any], *args: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._database, without_connection(work), *args)


def refused(call: Call, error: ProviderError) -> None:
    """Asked again where that may help; what the platform itself refused was no call."""
    if isinstance(error, BudgetReached):
        calls.give_back(call)
        calls.halt(call.batch, error.code)
    elif isinstance(error, LimitReached):
        calls.give_back(call)
        if isinstance(error, BudgetReserved) and not calls.has_others(call):
            calls.halt(call.batch, error.code)  # it will never fit
        else:
            calls.rest(call.batch, FIRST_PAUSE_S)
    elif isinstance(error, HOPELESS):
        failed(call, error.code, is_hopeless=True)
    elif isinstance(error, RateLimited | Overloaded | Unavailable):
        _ask_later(call, error)
    else:
        failed(call, error.code)


def _ask_later(call: Call, error: ProviderError) -> None:
    if call.cell.attempts >= ATTEMPTS_MAX:
        return failed(call, error.code)
    pause = max(FIRST_PAUSE_S * 2**call.cell.attempts, error.retry_after_s or 0)
    pause = min(pause, LONGEST_PAUSE_S)
    calls.record(call, "failed", error.code)
    calls.give_back(call, after_s=pause, is_attempt=True)
    if isinstance(error, RateLimited):
        calls.rest(call.batch, pause)
    return None


def failed(call: Call, code: str, *, is_hopeless: bool = False, status: str = "failed") -> None:
    calls.record(call, status, "" if status == "done" else code)
    calls.give_up(call.cell, code, is_judge=call.is_judge, is_hopeless=is_hopeless)


def left(call: Call) -> None:
    """Somebody cancelled the comparison."""
    calls.give_back(call)
    calls.record(call, "stopped")


runner = BatchRunner()
atexit.register(runner.shut_down)
