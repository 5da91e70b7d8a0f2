"""What all sockets share: whoever watches is told things, and asks nothing."""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import orjson
from channels.consumer import get_handler_name
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError
from django.utils.translation import get_supported_language_variant

logger = logging.getLogger(__name__)

UNAUTHENTICATED, NOT_FOUND, TRY_AGAIN = 4401, 4404, 1013
# Where there is nothing else: a page that hears nothing for a minute takes its connection for a
# broken one.
ALIVE: dict[str, Any] = {"type": "alive"}
ALIVE_EVERY_S = 20.0
# Not Channels' one thread for everybody: to read a long conversation takes a moment.
in_database = partial(database_sync_to_async, thread_sensitive=False)


class Listener(AsyncWebsocketConsumer):
    """Hears of news by `llmplatform.nudges`, and has no channel of Channels' own: that would cost a
    task for each socket, and three for each word."""

    _has_ended = False
    _told_at = -math.inf

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope, self.base_send = scope, send
        with contextlib.suppress(StopConsumer):
            while True:
                await self.dispatch(await receive())

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without a thread that looks for old connections of the database, as Channels has one do:
        ours are given back where they are used."""
        await getattr(self, get_handler_name(message))(message)

    async def receive(self, *args: Any, **kwargs: Any) -> None:
        """Nothing is expected, and nothing that is sent is read."""

    async def may_stay(self, refusal: Callable[[], int]) -> bool:
        """Sends away who may not watch (any more), and everybody while the database cannot say.

        `refusal` gives the close code for them, 0 for all others; it runs where there is one.
        """
        try:
            code = await in_database(refusal)()
        except DatabaseError:
            logger.warning("a watcher cannot be checked and is sent away", exc_info=True)
            code = TRY_AGAIN
        if code:
            await self.end(code)
        return not code

    async def tell(self, event: dict[str, Any]) -> None:
        """OSError where the watcher has left: the end of the connection is on its way."""
        await self.base_send({"type": "websocket.send", "text": orjson.dumps(event).decode()})
        self._told_at = time.monotonic()

    async def reassure(self) -> None:
        """After a silence, for a watcher who else could not know whether the connection holds."""
        if time.monotonic() - self._told_at >= ALIVE_EVERY_S:
            await self.tell(ALIVE)

    async def end(self, code: int) -> None:
        """Once: several may find at the same moment that it is over, and a server refuses a second
        end."""
        if self._has_ended:
            return
        self._has_ended = True
        with contextlib.suppress(OSError):
            await self.close(code)  # type: ignore[no-untyped-call]


def language_of(query: dict[str, list[str]]) -> str | None:
    """What a page speaks; None for programs."""
    if query.get("format", [""])[0] != "html":
        return None
    try:
        return get_supported_language_variant(query.get("lang", [""])[0])
    except LookupError:
        return settings.LANGUAGE_CODE
