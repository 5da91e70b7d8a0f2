"""`/ws/chat/<session>/`: the state of a session, then what follows. Events: docs/events.md."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs

from django.db import DatabaseError

from accounts.access import socket_user
from accounts.models import User
from chat.events import group_of
from chat.following import Follower, News, SessionGone, TextNews
from chat.models import ChatSession
from chat.watching import PageView, TextView, View
from llmplatform.sockets import (
    NOT_FOUND,
    TRY_AGAIN,
    UNAUTHENTICATED,
    Watcher,
    in_database,
    language_of,
)
from llmplatform.text import number_of

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LOOK_EVERY_IDLE_S = 3.0
LOOK_EVERY_BEHIND_S = 0.25
CHECK_EVERY_S = 3.0


@dataclass
class Track:
    """One session as one watcher is told of it; `about` is in each of its events."""

    follower: Follower
    view: View
    about: Mapping[str, Any] = field(default_factory=dict)
    pending: dict[str, TextNews] = field(default_factory=dict)


class SessionsConsumer(Watcher):
    """Tells one watcher of sessions. Query: `format=html&lang=` for pages, `since=` for what is
    known already."""

    _pages_watching: ClassVar[set["SessionsConsumer"]] = set()

    async def connect(self) -> None:
        # Refused after accepting: a browser cannot read the code of a refused handshake.
        await self.accept()
        self._lock = asyncio.Lock()
        self._has_pending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._tracks: dict[str, Track] = {}
        self._looked_at = 0.0
        self._query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if not await self.may_stay(self._admit):
            return
        for session_id in self._tracks:
            await self.channel_layer.group_add(group_of(session_id), self.channel_name)
        await self._look()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._flush())]

    def _admit(self) -> int:
        """The close code for somebody who may not watch; 0 for everybody else, whose tracks are
        made here. Synchronous."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Before sessions are read. Synchronous; raises SessionGone."""

    def _beside(self, is_changed: bool) -> dict[str, Any] | None:
        """What to tell after sessions were read, of which one has changed. Synchronous."""
        return None

    async def disconnect(self, code: int) -> None:
        self._pages_watching.discard(self)
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(OSError):
            for session_id in self._tracks:
                await self.channel_layer.group_discard(group_of(session_id), self.channel_name)

    async def chat_text(self, nudge: dict[str, Any]) -> None:
        track = self._tracks[nudge["session"]]
        async with self._lock:
            news = track.follower.take(nudge)
            if news is not None:
                await self._collect(track, news)
            elif track.follower.is_behind and self._is_read_due(LOOK_EVERY_BEHIND_S):
                await self._read([track])

    async def chat_changed(self, nudge: dict[str, Any]) -> None:
        async with self._lock:
            await self._read([self._tracks[nudge["session"]]])

    async def _watch(self) -> None:
        """Look without a nudge, and check now and then that the person may still see it."""
        checked_at = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            now = time.monotonic()
            if now - checked_at >= CHECK_EVERY_S:
                checked_at = now
                if not await self.may_stay(lambda: _signed_out(self.scope)):
                    return
            pause = LOOK_EVERY_S if self._is_text_running else LOOK_EVERY_IDLE_S
            if self._is_read_due(pause):
                await self._look()

    @property
    def _is_text_running(self) -> bool:
        return any(track.follower.is_text_running for track in self._tracks.values())

    def _is_read_due(self, pause_s: float) -> bool:
        return time.monotonic() - self._looked_at >= pause_s

    async def _tell(self, event: dict[str, Any]) -> None:
        """A watcher that has left is not an error: the end of the connection is on its way."""
        with contextlib.suppress(OSError):
            await self.tell(event)

    async def _look(self) -> None:
        async with self._lock:
            await self._read(list(self._tracks.values()))

    async def _read(self, tracks: Iterable[Track]) -> None:
        self._looked_at = time.monotonic()
        try:
            found, beside = await in_database(self._read_now)(tracks)
        except SessionGone:
            await self.end(NOT_FOUND)
            return
        except DatabaseError:
            logger.warning("a session cannot be read", exc_info=True)
            await self.end(TRY_AGAIN)
            return
        for track, news, state in found:
            if state is not None:
                track.pending.clear()
                await self._tell({**state, **track.about})
            for text in news.texts:
                await self._collect(track, text)
        if beside is not None:
            await self._tell(beside)
        self._note_running()

    def _read_now(self, tracks: Iterable[Track]) -> tuple[list[Any], dict[str, Any] | None]:
        self._prepare()
        found = []
        for track in tracks:
            news: News = track.follower.read()
            found.append((track, news, track.view.state(news.changes) if news.changes else None))
        return found, self._beside(any(state for _track, _news, state in found))

    def _note_running(self) -> None:
        if self._is_text_running and language_of(self._query) is not None:
            self._pages_watching.add(self)
        else:
            self._pages_watching.discard(self)

    async def _collect(self, track: Track, news: TextNews) -> None:
        self._looked_at = time.monotonic()
        if track.view.pause_s(1) == 0:
            await self._tell({**track.view.text(news), **track.about})
            return
        before = track.pending.get(news.id, TextNews(news.id))
        track.pending[news.id] = TextNews(
            news.id, before.thinking + news.thinking, before.content + news.content
        )
        self._has_pending.set()

    async def _flush(self) -> None:
        """Send collected text, the first at once; the busier the process, the more at a time."""
        while True:
            await self._has_pending.wait()
            async with self._lock:
                self._has_pending.clear()
                for track in self._tracks.values():
                    pending, track.pending = track.pending, {}
                    for news in pending.values():
                        await self._tell({**track.view.text(news), **track.about})
            watchers = len(self._pages_watching)
            await asyncio.sleep(max(t.view.pause_s(watchers) for t in self._tracks.values()))


class ChatConsumer(SessionsConsumer):
    """One session; `since=<revision>`."""

    def _admit(self) -> int:
        session_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["session_id"]))
        code = _refusal(self.scope, session_id)
        if not code:
            language = language_of(self._query)
            view: View = TextView() if language is None else PageView(language)
            known = revision_of(self._query.get("since", [""])[0])
            self._tracks = {str(session_id): Track(Follower(session_id, known), view)}
        return code


def _refusal(scope: Any, session_id: uuid.UUID) -> int:
    user = socket_user(scope)
    if not isinstance(user, User):
        return UNAUTHENTICATED
    is_theirs = ChatSession.objects.for_user(user).filter(pk=session_id).exists()
    return 0 if is_theirs else NOT_FOUND


def _signed_out(scope: Any) -> int:
    """As `_admit`, for who was let in."""
    return 0 if socket_user(scope) is not None else UNAUTHENTICATED


def revision_of(text: str) -> int:
    """-1 where nothing is known."""
    number = number_of(text, 9)
    return -1 if number is None else number
