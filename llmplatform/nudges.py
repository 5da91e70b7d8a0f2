"""News for those who watch something, here and in other processes: nudges, which may be lost.

Losing one costs a moment: the database is the truth, and watchers look there by themselves. In its
own process a nudge goes straight to who waits for it. Other processes get all of a moment's nudges
in one message, so that hundreds of answers being written cost Redis no more than one.
"""

import asyncio
import contextlib
import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)

Nudge = dict[str, Any]
Hear = Callable[[Nudge], None]
# What it is about, and what is new.
News = tuple[str, Nudge]

GROUP = "nudges"
LISTEN_AGAIN_S = 1.0
SEND_WITHIN_S = 2.0
_TURNS = threading.Lock()


class Nudges:
    """Thread-safe; who waits is called in the event loop in which it began to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[object, tuple[asyncio.AbstractEventLoop, Hear]]] = {}
        self._listening: dict[asyncio.AbstractEventLoop, tuple[int, asyncio.Task[None] | None]] = {}
        self._name = uuid.uuid4().hex

    @contextlib.contextmanager
    def heard(self, topic: str, hear: Hear) -> Iterator[None]:
        """While it lasts, `hear` is called with each nudge about `topic`."""
        loop, me = asyncio.get_running_loop(), object()
        with self._lock:
            self._waiting.setdefault(topic, {})[me] = (loop, hear)
        self._listen(loop, 1)
        try:
            yield
        finally:
            self._listen(loop, -1)
            with self._lock:
                waiting = self._waiting[topic]
                del waiting[me]
                if not waiting:
                    del self._waiting[topic]

    async def send(self, news: Sequence[News]) -> None:
        self._deliver(news)
        await self._tell_others(news)

    def send_from_thread(self, news: Sequence[News]) -> None:
        """From a thread without an event loop."""
        self._deliver(news)
        if settings.REDIS_URL:
            with _TURNS:
                _runner().run(self._tell_others(news))

    def _deliver(self, news: Sequence[News]) -> None:
        calls: dict[asyncio.AbstractEventLoop, list[tuple[Hear, Nudge]]] = defaultdict(list)
        with self._lock:
            for topic, nudge in news:
                for loop, hear in self._waiting.get(topic, {}).values():
                    calls[loop].append((hear, nudge))
        for loop, theirs in calls.items():
            with contextlib.suppress(RuntimeError):  # a loop that has ended
                loop.call_soon_threadsafe(_call, theirs)

    async def _tell_others(self, news: Sequence[News]) -> None:
        layer = _layer()
        if layer is None or not news:
            return
        try:
            # An answer waits for this: a client that never returns must not hold it.
            async with asyncio.timeout(SEND_WITHIN_S):
                await layer.group_send(GROUP, {"type": GROUP, "from": self._name, "news": news})
        except _away():
            logger.warning("the channel layer does not answer; watchers will look by themselves")

    def _listen(self, loop: asyncio.AbstractEventLoop, more: int) -> None:
        """One ear for each event loop in which somebody waits."""
        count, ear = self._listening.get(loop, (0, None))
        count += more
        if ear is None and _layer() is not None:
            ear = loop.create_task(self._hear_others())
        if count:
            self._listening[loop] = (count, ear)
            return
        del self._listening[loop]
        if ear is not None:
            ear.cancel()

    async def _hear_others(self) -> None:
        layer, me = _layer(), asyncio.current_task()
        # Redis' client may swallow being cancelled, and nobody would be heard any more.
        while layer is not None and me is not None and not me.cancelling():
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while not me.cancelling():
                    message = await layer.receive(channel)
                    if message["from"] != self._name:
                        self._deliver([(topic, nudge) for topic, nudge in message["news"]])
            except _away():
                logger.warning("the channel layer does not answer; watchers look by themselves")
                await asyncio.sleep(LISTEN_AGAIN_S)


def _call(calls: Sequence[tuple[Hear, Nudge]]) -> None:
    for hear, nudge in calls:
        hear(nudge)


def _layer() -> Any:
    """The way to other processes; None where this one is alone, or where there is none."""
    return get_channel_layer() if settings.REDIS_URL else None


def _away() -> tuple[type[Exception], ...]:
    from redis.exceptions import RedisError  # only now: much comes with it

    return OSError, RedisError


@cache
def _runner() -> asyncio.Runner:
    """One loop for all threads, which use it in turns: the layer keeps a connection for each."""
    return asyncio.Runner()


nudges = Nudges()
