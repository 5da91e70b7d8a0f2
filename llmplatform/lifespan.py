"""What runs when the web process begins and ends: uvicorn kills itself with the signal it got, so
`atexit` alone would not run."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]


class Lifespan:
    """The ASGI lifespan protocol; every hook is awaited at shutdown, in order. What `begins` runs
    beside the requests: a start waits for nothing."""

    def __init__(self, *at_shutdown: Hook, begins: Sequence[Hook] = ()) -> None:
        self._hooks = at_shutdown
        self._begins = begins
        self._running: list[asyncio.Future[None]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                self._running = [asyncio.ensure_future(_safely(hook)) for hook in self._begins]
                await send({"type": "lifespan.startup.complete"})
                continue
            for task in self._running:
                task.cancel()
            for hook in self._hooks:
                await _safely(hook)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def _safely(hook: Hook) -> None:
    try:
        await hook()
    except Exception:  # one failing hook must not keep the others
        logger.exception("a hook of the web process failed")
