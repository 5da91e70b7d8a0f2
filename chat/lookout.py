"""Looks at the database for all sockets of this process together.

Nudges may be lost, and people are signed out elsewhere. Were each socket to look for itself, a
thousand that wait for nothing would ask it hundreds of questions a second.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Protocol
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from accounts.access import Caller, signed_in
from chat.models import ChatSession
from llmplatform.sockets import TRY_AGAIN, UNAUTHENTICATED, in_database

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
CHECK_EVERY_S = 3.0
IDS_PER_QUERY = 500


class Watching(Protocol):
    """Somebody who watches a session, and what they opened it with."""

    session_id: uuid.UUID
    caller: Caller

    def seen(self, revision: int | None) -> None:
        """That is the session's now; None if it is gone."""

    async def end(self, code: int) -> None: ...


class Lookout:
    """Of one event loop."""

    def __init__(self) -> None:
        self._watching: set[Watching] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self, who: Watching) -> None:
        self._watching.add(who)
        if self._task is None:
            self._task = asyncio.create_task(self._look_out())

    def leave(self, who: Watching) -> None:
        self._watching.discard(who)

    async def _look_out(self) -> None:
        checked_at = time.monotonic()
        while self._watching:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._look()
                if time.monotonic() - checked_at >= CHECK_EVERY_S:
                    checked_at = time.monotonic()
                    await self._check()
            except DatabaseError:
                logger.warning("watchers cannot be checked and are sent away", exc_info=True)
                await self._send_away(list(self._watching), TRY_AGAIN)
        self._task = None

    async def _look(self) -> None:
        watching = list(self._watching)
        revisions = await in_database(_revisions)({who.session_id for who in watching})
        for who in watching:
            who.seen(revisions.get(who.session_id))

    async def _check(self) -> None:
        watching = list(self._watching)
        may_stay = await in_database(signed_in)({who.caller for who in watching})
        await self._send_away(
            [who for who in watching if who.caller not in may_stay], UNAUTHENTICATED
        )

    async def _send_away(self, watching: Sequence[Watching], code: int) -> None:
        for who in watching:
            self.leave(who)
            await who.end(code)


def _revisions(session_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    ids, found = list(session_ids), dict[uuid.UUID, int]()
    for start in range(0, len(ids), IDS_PER_QUERY):
        rows = ChatSession.objects.kept().filter(pk__in=ids[start : start + IDS_PER_QUERY])
        found.update(rows.values_list("pk", "revision"))
    return found


_lookouts: WeakKeyDictionary[asyncio.AbstractEventLoop, Lookout] = WeakKeyDictionary()


def lookout() -> Lookout:
    return _lookouts.setdefault(asyncio.get_running_loop(), Lookout())
