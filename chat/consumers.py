"""`/ws/chat/<session>/`: the state of a session, then what follows. Events: docs/events.md."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
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
    ALIVE_EVERY_S,
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


class Track:
    """One session as one watcher is told of it; `about` is in each of its events.

    `chat.lookout` and nudges leave here what they have for it, and wake whoever tells it.
    """

    def __init__(
        self,
        consumer: "SessionsConsumer",
        session_id: uuid.UUID,
        view: View,
        *,
        since: int,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.session_id, self.view, self.about = session_id, view, about or {}
        self.caller, self.end, self._wake = consumer.caller, consumer.end, consumer.wake
        self.follower = Follower(session_id, since)
        self.must_look = True
        self._heard: list[dict[str, Any]] = []
        self._pending: dict[str, TextNews] = {}
        self._told_at = 0.0

    def seen(self, revision: int | None) -> None:
        """What `chat.lookout` saw in the database."""
        is_quiet = time.monotonic() - self._told_at >= LOOK_QUIET_S
        if revision != self.follower.revision or (self.follower.is_text_running and is_quiet):
            self.look()

    def look(self) -> None:
        self.must_look = True
        self._wake()

    def hear(self, nudge: dict[str, Any]) -> None:
        if nudge["type"] == "text" and len(self._heard) < HEARD_MAX:
            self._heard.append(nudge)
        else:
            self.must_look = True
        self._wake()

    def read(self) -> tuple[News, dict[str, Any] | None]:
        """Synchronous. Raises SessionGone."""
        self.must_look, self._told_at = False, time.monotonic()
        news = self.follower.read()
        return news, self.view.state(news.changes) if news.changes else None

    def take_heard(self) -> None:
        heard, self._heard = self._heard, []
        for nudge in heard:
            self.collect(self.follower.take(nudge))
        if self.follower.is_behind:
            asyncio.get_running_loop().call_later(LOOK_BEHIND_S, self.look)

    def collect(self, news: TextNews | None) -> None:
        if news is None:
            return
        self._told_at = time.monotonic()
        before = self._pending.get(news.id)
        self._pending[news.id] = news if before is None else before + news

    def collected(self) -> list[dict[str, Any]]:
        """Events with the text since the last call."""
        pending, self._pending = self._pending, {}
        return [{**self.view.text(news), **self.about} for news in pending.values()]


class SessionsConsumer(Listener):
    """Tells one watcher of one or several sessions. Query: `format=html&lang=` for pages, `since=`
    for what is known already.

    One task tells the watcher everything; who else has something for it leaves it there.
    """

    _pages_watching: ClassVar[set["SessionsConsumer"]] = set()

    async def connect(self) -> None:
        # Refused after accepting: a browser cannot read the code of a refused handshake.
        await self.accept()
        self.caller = socket_caller(self.scope)
        self._task: asyncio.Task[None] | None = None
        self._tracks: list[Track] = []
        self._has_news = asyncio.Event()
        self._query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if await self.may_stay(self._admit):
            self._task = asyncio.create_task(self._follow())

    def _admit(self) -> int:
        """The close code for somebody who may not watch; 0 for everybody else, whose tracks are
        made here. Synchronous."""
        raise NotImplementedError

    def _prepare(self) -> None:
        """Before sessions are read. Synchronous; raises SessionGone."""

    def _beside(self, *, is_changed: bool) -> dict[str, Any] | None:
        """What to tell after sessions were read, one of which may have changed. Synchronous."""
        return None

    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()

    def wake(self) -> None:
        self._has_news.set()

    async def _follow(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as hearing:
            for track in self._tracks:
                hearing.enter_context(heard(track.session_id, track.hear))
                lookout().join(track)
            try:
                await self._tell_all()
            except SessionGone:
                await self.end(NOT_FOUND)
            except DatabaseError:
                logger.warning("a session cannot be read", exc_info=True)
                await self.end(TRY_AGAIN)
            finally:
                for track in self._tracks:
                    lookout().leave(track)
                self._pages_watching.discard(self)

    async def _tell_all(self) -> None:
        """The first words at once; the busier the process, the more at a time. Something now
        and then, so that a watcher knows a connection that has broken unseen. Raises OSError where
        the watcher has left: the end of the connection is on its way."""
        while True:
            self._has_news.clear()
            await self._read([track for track in self._tracks if track.must_look])
            pause_s = 0.0
            for track in self._tracks:
                track.take_heard()
                texts = track.collected()
                for event in texts:
                    await self.tell(event)
                if texts:
                    pause_s = max(pause_s, track.view.pause_s(len(self._pages_watching)))
            if pause_s:
                await asyncio.sleep(pause_s)
            await self.reassure()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ALIVE_EVERY_S):
                    await self._has_news.wait()

    async def _read(self, tracks: Sequence[Track]) -> None:
        if not tracks:
            return
        found, beside = await in_database(self._read_now)(tracks)
        for track, news, state in found:
            if state is not None:
                await self.tell({**state, **track.about})
            for text in news.texts:
                track.collect(text)
        if beside is not None:
            await self.tell(beside)
        self._note_running()

    def _read_now(
        self, tracks: Sequence[Track]
    ) -> tuple[list[tuple[Track, News, dict[str, Any] | None]], dict[str, Any] | None]:
        self._prepare()
        found = [(track, *track.read()) for track in tracks]
        return found, self._beside(is_changed=any(state for _track, _news, state in found))

    def _note_running(self) -> None:
        is_running = any(track.follower.is_text_running for track in self._tracks)
        if is_running and language_of(self._query) is not None:
            self._pages_watching.add(self)
        else:
            self._pages_watching.discard(self)


class ChatConsumer(SessionsConsumer):
    """One session; `since=<revision>`."""

    def _admit(self) -> int:
        session_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["session_id"]))
        code = _refusal(self.scope, session_id)
        if not code:
            since = revision_of(self._query.get("since", [""])[0])
            view = _view_of(self._query, socket_user(self.scope))
            self._tracks = [Track(self, session_id, view, since=since)]
        return code


def _refusal(scope: Any, session_id: uuid.UUID) -> int:
    """The close code for somebody who may not watch; 0 for everybody else."""
    user = socket_user(scope)
    if not isinstance(user, User):
        return UNAUTHENTICATED
    is_theirs = ChatSession.objects.for_user(user).filter(pk=session_id).exists()
    return 0 if is_theirs else NOT_FOUND


def _view_of(query: dict[str, list[str]], reader: Any) -> View:
    language = language_of(query)
    return TextView() if language is None else PageView(language, reader.pk)


def revision_of(text: str) -> int:
    """-1 where nothing is known."""
    number = number_of(text, 9)
    return -1 if number is None else number
