"""`/ws/training/<job>/`: state, curves, hardware and log of one job, as they come.
Events: docs/events.md."""

import asyncio
import contextlib
import logging
import time
import uuid
from typing import Any
from urllib.parse import parse_qs

from django.db import DatabaseError

from accounts.access import socket_user
from llmplatform.nudges import nudges
from llmplatform.sockets import (
    NOT_FOUND,
    TRY_AGAIN,
    UNAUTHENTICATED,
    Listener,
    in_database,
    language_of,
)
from llmplatform.text import number_of
from training.events import topic_of
from training.models import TrainingJob
from training.watching import JobGone, Watch

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0
LOOK_EVERY_FINAL_S = 5.0
CHECK_EVERY_S = 3.0


class TrainingConsumer(Listener):
    """Query: `format=html&lang=` for pages; `metrics=`, `hardware=`, `log=`, `notes=` and
    `samples=` (the `next` of earlier events) for what is known already."""

    async def connect(self) -> None:
        # Refused after accepting: a browser cannot read the code of a refused handshake.
        await self.accept()
        self._job_id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["job_id"]))
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        if not await self._is_theirs():
            return
        watch = Watch(
            self._job_id,
            language_of(query),
            metrics=_cursor(query, "metrics") or 0,
            hardware=_cursor(query, "hardware") or 0,
            log=_cursor(query, "log"),
            notes=_cursor(query, "notes") or 0,
            samples=_cursor(query, "samples") or 0,
        )
        self._task = asyncio.create_task(self._follow(watch))

    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _is_theirs(self) -> bool:
        return await self.may_stay(lambda: _refusal(self.scope, self._job_id))

    async def _follow(self, watch: Watch) -> None:
        try:
            with nudges.heard(topic_of(self._job_id), lambda _nudge: self._nudged.set()):
                await self._tell_all(watch)
        except JobGone:
            await self.end(NOT_FOUND)
        except DatabaseError:
            logger.warning("a training cannot be read, its watcher comes again", exc_info=True)
            await self.end(TRY_AGAIN)
        except OSError:
            pass  # the watcher has left, and the end of the connection is on its way

    async def _tell_all(self, watch: Watch) -> None:
        checked_at = time.monotonic()
        while True:
            self._nudged.clear()
            for event in await in_database(watch.news)():
                await self.tell(event)
            await self.reassure()
            if not watch.is_behind:
                await self._rest(watch)
            if time.monotonic() - checked_at >= CHECK_EVERY_S:
                checked_at = time.monotonic()
                if not await self._is_theirs():
                    return

    async def _rest(self, watch: Watch) -> None:
        with contextlib.suppress(TimeoutError):
            pause = LOOK_EVERY_FINAL_S if watch.is_final else LOOK_EVERY_S
            await asyncio.wait_for(self._nudged.wait(), pause)


def _refusal(scope: Any, job_id: uuid.UUID) -> int:
    """The close code for somebody who may not watch (any more); 0 for everybody else."""
    user = socket_user(scope)
    if user is None:
        return UNAUTHENTICATED
    is_theirs = TrainingJob.objects.for_user(user).filter(pk=job_id).exists()
    return 0 if is_theirs else NOT_FOUND


def _cursor(query: dict[str, list[str]], name: str) -> int | None:
    return number_of(query.get(name, [""])[0], 15)
