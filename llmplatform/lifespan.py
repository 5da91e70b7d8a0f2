"""What runs when the web process ends: uvicorn kills itself with the signal it got, so `atexit`
alone would not run."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]


class Lifespan:
    """The ASGI lifespan protocol; every hook is awaited at shutdown, in order."""

    def __init__(self, *at_shutdown: Hook) -> None:
        self._hooks = at_shutdown

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
                continue
            for hook in self._hooks:
                try:
                    await hook()
                except Exception:  # one failing hook must not keep the others
                    logger.exception("a shutdown hook failed")
            await send({"type": "lifespan.shutdown.complete"})
            return
