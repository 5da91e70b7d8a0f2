"""`/ws/chat/<session>/`: the state of a session, then what follows. Events: docs/events.md."""

import asyncio
import contextlib
import logging
import time
import uuid
from typing import Any, ClassVar
from urllib.parse import parse_qs

from django.db import DatabaseError

from accounts.access import socket_caller, socket_user
from accounts.models import User
from chat.events import heard
from chat.following import Follower, News, SessionGone, TextNews
from chat.lookout import lookout
from chat.models import ChatSession
from chat.watching import PageView, TextView, View
from llmplatform.sockets import (
    NOT_FOUND,
    TRY_AGAIN,
    UNAUTHENTICATED,
    Listener,
    in_database,
    language_of,
)
from llmplatform.text import number_of

logger = logging.getLogger(__name__)

# Where text is missing that a nudge did not bring.
LOOK_BEHIND_S = 0.25
LOOK_QUIET_S = 1.0
HEARD_MAX = 500


class ChatConsumer(Listener):
    """Query: `format=html&lang=` for pages, `since=<revision>` for what is known already.

    One task tells the watcher everything; who else has something for it leaves it there.
    """

    _pages_watching: ClassVar[set["ChatConsumer"]] = set()

    async def connect(self) -> None:
        # Refused after accepting: a browser cannot read the code of a refused handshake.
        await self.accept()
        self.session_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["session_id"]))
        self.caller = socket_caller(self.scope)
        self._task: asyncio.Task[None] | None = None
        self._heard: list[dict[str, Any]] = []
        self._pending: dict[str, TextNews] = {}
        self._must_look, self._has_news = True, asyncio.Event()
        self._told_at = 0.0
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        self._view = _view_of(query)
        self._follower = Follower(self.session_id, _number(query.get("since", [""])[0]))
        if await self.may_stay(lambda: _refusal(self.scope, self.session_id)):
            self._task = asyncio.create_task(self._follow())

    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()

    def seen(self, revision: int | None) -> None:
        """What `chat.lookout` saw in the database."""
        is_quiet = time.monotonic() - self._told_at >= LOOK_QUIET_S
        if revision != self._follower.revision or (self._follower.is_text_running and is_quiet):
            self._look()

    def _look(self) -> None:
        self._must_look = True
        self._has_news.set()

    def _hear(self, nudge: dict[str, Any]) -> None:
        if nudge["type"] == "text" and len(self._heard) < HEARD_MAX:
            self._heard.append(nudge)
        else:
            self._must_look = True
        self._has_news.set()

    async def _follow(self) -> None:
        with contextlib.suppress(OSError), heard(self.session_id, self._hear):
            lookout().join(self)
            try:
                await self._tell_all()
            except SessionGone:
                await self.end(NOT_FOUND)
            except DatabaseError:
                logger.warning("a session cannot be read", exc_info=True)
                await self.end(TRY_AGAIN)
            finally:
                lookout().leave(self)
                self._pages_watching.discard(self)

    async def _tell_all(self) -> None:
        """The first words at once; the busier the process, the more at a time. Raises OSError where
        the watcher has left: the end of the connection is on its way."""
        while True:
            self._has_news.clear()
            if self._must_look:
                await self._read()
            heard, self._heard = self._heard, []
            for nudge in heard:
                self._collect(self._follower.take(nudge))
            if self._follower.is_behind:
                asyncio.get_running_loop().call_later(LOOK_BEHIND_S, self._look)
            pending, self._pending = self._pending, {}
            for news in pending.values():
                await self.tell(self._view.text(news))
            pause_s = self._view.pause_s(len(self._pages_watching)) if pending else 0
            if pause_s:
                await asyncio.sleep(pause_s)
            await self._has_news.wait()

    async def _read(self) -> None:
        self._must_look, self._told_at = False, time.monotonic()
        news, state = await in_database(self._read_now)()
        if state is not None:
            await self.tell(state)
            self._note_running()
        for text in news.texts:
            self._collect(text)

    def _read_now(self) -> tuple[News, dict[str, Any] | None]:
        news = self._follower.read()
        return news, self._view.state(news.changes) if news.changes else None

    def _note_running(self) -> None:
        if self._follower.is_text_running and isinstance(self._view, PageView):
            self._pages_watching.add(self)
        else:
            self._pages_watching.discard(self)

    def _collect(self, news: TextNews | None) -> None:
        if news is None:
            return
        self._told_at = time.monotonic()
        before = self._pending.get(news.id)
        self._pending[news.id] = news if before is None else before + news


def _refusal(scope: Any, session_id: uuid.UUID) -> int:
    """The close code for somebody who may not watch; 0 for everybody else."""
    user = socket_user(scope)
    if not isinstance(user, User):
        return UNAUTHENTICATED
    is_theirs = ChatSession.objects.for_user(user).filter(pk=session_id).exists()
    return 0 if is_theirs else NOT_FOUND


def _view_of(query: dict[str, list[str]]) -> View:
    language = language_of(query)
    return TextView() if language is None else PageView(language)


def _number(text: str) -> int:
    number = number_of(text, 9)
    return -1 if number is None else number
