"""`/ws/chat/<session>/`: the state of a session, then what follows. Events: docs/events.md."""

import asyncio
import contextlib
import logging
import time
import uuid
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


class ChatConsumer(Watcher):
    """Query: `format=html&lang=` for pages, `since=<revision>` for what is known already."""

    _pages_watching: ClassVar[set["ChatConsumer"]] = set()

    async def connect(self) -> None:
        # Refused after accepting: a browser cannot read the code of a refused handshake.
        await self.accept()
        self._session_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["session_id"]))
        self._lock = asyncio.Lock()
        self._pending: dict[str, TextNews] = {}
        self._has_pending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._looked_at = 0.0
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self._view = _view_of(query)
        self._follower = Follower(self._session_id, _number(query.get("since", [""])[0]))
        if not await self.may_stay(lambda: _refusal(self.scope, self._session_id)):
            return
        await self.channel_layer.group_add(group_of(self._session_id), self.channel_name)
        await self._look()
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._flush())]

    async def disconnect(self, code: int) -> None:
        self._pages_watching.discard(self)
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(OSError):
            await self.channel_layer.group_discard(group_of(self._session_id), self.channel_name)

    async def chat_text(self, nudge: dict[str, Any]) -> None:
        async with self._lock:
            news = self._follower.take(nudge)
            if news is not None:
                await self._collect(news)
            elif self._follower.is_behind and self._is_read_due(LOOK_EVERY_BEHIND_S):
                await self._read()

    async def chat_changed(self, nudge: dict[str, Any]) -> None:
        await self._look()

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
            pause = LOOK_EVERY_S if self._follower.is_text_running else LOOK_EVERY_IDLE_S
            if self._is_read_due(pause):
                await self._look()

    def _is_read_due(self, pause_s: float) -> bool:
        return time.monotonic() - self._looked_at >= pause_s

    async def _tell(self, event: dict[str, Any]) -> None:
        """A watcher that has left is not an error: the end of the connection is on its way."""
        with contextlib.suppress(OSError):
            await self.tell(event)

    async def _look(self) -> None:
        async with self._lock:
            await self._read()

    async def _read(self) -> None:
        self._looked_at = time.monotonic()
        try:
            news, state = await in_database(self._read_now)()
        except SessionGone:
            await self.end(NOT_FOUND)
            return
        except DatabaseError:
            logger.warning("a session cannot be read", exc_info=True)
            await self.end(TRY_AGAIN)
            return
        if state is not None:
            self._pending.clear()
            await self._tell(state)
            self._note_running()
        for text in news.texts:
            await self._collect(text)

    def _read_now(self) -> tuple[News, dict[str, Any] | None]:
        news = self._follower.read()
        return news, self._view.state(news.changes) if news.changes else None

    def _note_running(self) -> None:
        if self._follower.is_text_running and isinstance(self._view, PageView):
            self._pages_watching.add(self)
        else:
            self._pages_watching.discard(self)

    async def _collect(self, news: TextNews) -> None:
        self._looked_at = time.monotonic()
        if self._view.pause_s(1) == 0:
            await self._tell(self._view.text(news))
            return
        before = self._pending.get(news.id, TextNews(news.id))
        self._pending[news.id] = TextNews(
            news.id, before.thinking + news.thinking, before.content + news.content
        )
        self._has_pending.set()

    async def _flush(self) -> None:
        """Send collected text, the first at once; the busier the process, the more at a time."""
        while True:
            await self._has_pending.wait()
            async with self._lock:
                self._has_pending.clear()
                pending, self._pending = self._pending, {}
                for news in pending.values():
                    await self._tell(self._view.text(news))
            await asyncio.sleep(self._view.pause_s(len(self._pages_watching)))


def _refusal(scope: Any, session_id: uuid.UUID) -> int:
    """The close code for somebody who may not watch; 0 for everybody else."""
    user = socket_user(scope)
    if not isinstance(user, User):
        return UNAUTHENTICATED
    is_theirs = ChatSession.objects.for_user(user).filter(pk=session_id).exists()
    return 0 if is_theirs else NOT_FOUND


def _signed_out(scope: Any) -> int:
    """As `_refusal`, for a session that is theirs."""
    return 0 if socket_user(scope) is not None else UNAUTHENTICATED


def _view_of(query: dict[str, list[str]]) -> View:
    language = language_of(query)
    return TextView() if language is None else PageView(language)


def _number(text: str) -> int:
    number = number_of(text, 9)
    return -1 if number is None else number
