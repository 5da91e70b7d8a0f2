"""A generation belongs to this process, not to the socket that asked for it.

All run as asyncio tasks on one loop in a thread of its own, so that a page, the API and a socket
can start one. Text goes to watchers at once and to the database in one short transaction for all
of them together; no connection is held in between.
"""

import asyncio
import atexit
import logging
import threading
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, cast

import uvloop
from django.db import DatabaseError

from chat import grounding, naming, saving
from chat.events import changed, text_nudge
from chat.models import MessageStatus
from chat.running import Generation
from llmplatform.nudges import nudges
from providers.errors import ProviderError
from providers.services import keep_connections, reserved, stream_chat
from providers.types import ChatRequest, Event, Target

logger = logging.getLogger(__name__)

WRITE_EVERY_S = 0.2
# A busy database is written to a third of the time at most, but often enough to notice a stop.
WRITE_SHARE, WRITE_LONGEST_S = 2, 0.3
PUBLISH_EVERY_S = 0.05
# With many answers at once each is told a little less often: 200 every 67 ms, half a core.
PUBLISH_PER_S = 3000
SAVE_ATTEMPTS, SAVE_PAUSE_S = 30, 2.0
SHUTDOWN_WAIT_S = 3.0
# Knowledge bases that are searched at once.
SEARCHES = 8

Stream = Callable[[Target, ChatRequest], AsyncIterator[Event]]


class Generator:
    """Runs the generations of this process. Thread-safe from outside.

    At the end of the process running answers get `drain_s` to finish; the rest is interrupted.
    """

    def __init__(self, *, stream: Stream = stream_chat, drain_s: float = 2.0) -> None:
        self._stream = stream
        self._drain_s = drain_s
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._database = ThreadPoolExecutor(2, thread_name_prefix="generation-database")
        self._grounding = ThreadPoolExecutor(SEARCHES, thread_name_prefix="grounding")
        # Apart: searches may be waiting for a provider.
        self._checking = ThreadPoolExecutor(2, thread_name_prefix="checking")
        self._running: dict[uuid.UUID, tuple[Generation, asyncio.Task[None]]] = {}
        self._keepers: set[asyncio.Task[None]] = set()
        self._naming: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._idle = threading.Event()
        self._idle.set()

    def start(self, generation: Generation) -> None:
        self._idle.clear()
        self._home().call_soon_threadsafe(self._begin, generation)

    def cancel(self, message_ids: Iterable[uuid.UUID], ending: str = MessageStatus.STOPPED) -> None:
        """End those that run here; the text they have is kept, with `ending` as its status."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, list(message_ids), ending)

    def wait(self, timeout_s: float) -> bool:
        """Whether every generation, and what follows it, had ended after at most `timeout_s`."""
        return self._idle.wait(timeout_s)

    def shut_down(self) -> None:
        """Let answers finish for a moment, then save what the others have as interrupted."""
        if self._loop is None or self.wait(self._drain_s):
            return
        self._is_closing = True
        left = list(self._running.values())
        self.cancel([generation.message_id for generation, _task in left], "interrupted")
        self._loop.call_soon_threadsafe(self._stop_naming)
        self.wait(SHUTDOWN_WAIT_S)
        # Here and not in a task: at the interpreter's end no thread can be started any more.
        for generation, _task in left:
            saving.finish(generation)
        self._is_closing = False

    def _home(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = uvloop.new_event_loop()
                self._loop.call_soon(keep_connections)
                run = self._loop.run_forever
                threading.Thread(target=run, name="generations", daemon=True).start()
            return self._loop

    def _begin(self, generation: Generation) -> None:
        task = asyncio.create_task(self._run(generation))
        self._running[generation.message_id] = (generation, task)
        task.add_done_callback(lambda _task: self._end(generation))
        if not self._keepers:
            duties = (self._publish(), self._keep())
            self._keepers = {asyncio.create_task(duty) for duty in duties}

    def _end(self, generation: Generation) -> None:
        self._running.pop(generation.message_id, None)
        if not self._running:
            for keeper in self._keepers:
                keeper.cancel()
            self._keepers = set()
        self._note_idle()

    def _note_idle(self) -> None:
        if not self._running and not self._naming:
            self._idle.set()

    def _cancel(self, message_ids: list[uuid.UUID], ending: str) -> None:
        for message_id in message_ids:
            generation, task = self._running.get(message_id, (None, None))
            if generation is not None and task is not None and not generation.ending:
                generation.ending = ending
                # A task that is cancelled before its first step never runs, and would save nothing.
                if generation.has_started:
                    task.cancel()

    async def _run(self, generation: Generation) -> None:
        """The whole life of an answer; whatever happens, what arrived is saved."""
        generation.has_started = True
        try:
            await self._ground(generation)
            await self._pump(generation)
            generation.ending = generation.ending or MessageStatus.DONE
        except ProviderError as error:
            generation.ending, generation.error_code = MessageStatus.FAILED, error.code
        except asyncio.CancelledError:
            generation.ending = generation.ending or MessageStatus.INTERRUPTED
        except Exception:
            logger.exception("a generation failed")
            generation.ending, generation.error_code = MessageStatus.FAILED, "internal"
        if not self._is_closing:
            generation.link_files()
            await self._tell(generation)
            await grounding.check(generation, self._checking)
            await self._finish(generation)

    async def _ground(self, generation: Generation) -> None:
        """Watchers see the sources before the first word of the answer."""
        if not await grounding.ground(generation, self._grounding):
            return
        try:
            await self._in_database(saving.save_sources, generation)
        except DatabaseError:
            logger.warning("sources are written when their answer ends", exc_info=True)
        else:
            await nudges.send([changed(generation.session_id)])

    async def _pump(self, generation: Generation) -> None:
        """Until the stream or the generation ends: a library may swallow the cancelling."""
        if generation.ending:
            return
        request, measured = generation.request(), generation.measured
        place = reserved(
            user=generation.user, target=generation.target, request=request, measured=measured
        )
        async with place, aclosing(self._asked(generation.target, request)) as events:
            async for event in events:
                is_first = generation.take(event)
                if is_first:
                    await self._tell(generation)
                if generation.ending:
                    return

    def _asked(self, target: Target, request: ChatRequest) -> AsyncGenerator[Event, None]:
        return cast(AsyncGenerator[Event], self._stream(target, request))

    async def _finish(self, generation: Generation) -> None:
        for attempt in range(SAVE_ATTEMPTS):
            try:
                await self._in_database(saving.finish, generation)
                break
            except DatabaseError:
                logger.warning("an answer could not be saved yet", exc_info=attempt == 0)
                await asyncio.sleep(SAVE_PAUSE_S)
        await nudges.send([changed(generation.session_id)])
        self._name(generation)

    def _name(self, generation: Generation) -> None:
        """A title for its chat, while nobody waits."""
        named = naming.name_chat(generation, ask=self._asked, in_database=self._in_database)
        task = asyncio.create_task(named)
        self._naming.add(task)
        task.add_done_callback(self._end_naming)

    def _end_naming(self, task: asyncio.Task[None]) -> None:
        self._naming.discard(task)
        self._note_idle()

    def _stop_naming(self) -> None:
        for task in self._naming:
            task.cancel()

    async def _in_database(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *args)

    async def _tell(self, *generations: Generation) -> None:
        """What is new of them, in one go."""
        await nudges.send(
            [
                text_nudge(generation.session_id, generation.message_id, **news)
                for generation in generations
                if (news := generation.untold()) is not None
            ]
        )

    async def _publish(self) -> None:
        while True:
            await asyncio.sleep(max(PUBLISH_EVERY_S, len(self._running) / PUBLISH_PER_S))
            await self._tell(*(generation for generation, _task in self._running.values()))

    async def _keep(self) -> None:
        """Write new text and heartbeats; end what somebody asked to stop, or deleted."""
        took_s = 0.0
        while True:
            await asyncio.sleep(max(WRITE_EVERY_S, took_s * WRITE_SHARE))
            started = time.monotonic()
            here = [generation for generation, _task in self._running.values()]
            try:
                unwanted = await self._in_database(saving.save_progress, here)
            except DatabaseError:
                logger.warning("progress could not be written; the next turn tries again")
                continue
            self._cancel(unwanted, MessageStatus.STOPPED)
            took_s = min(time.monotonic() - started, WRITE_LONGEST_S)


generator = Generator()
atexit.register(generator.shut_down)
