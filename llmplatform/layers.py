"""The channel layer of the embedded default: one process, any thread."""

import asyncio
import time
from typing import Any

from channels.layers import InMemoryChannelLayer

CLEAN_EVERY_S = 5.0


class ProcessChannelLayer(InMemoryChannelLayer):
    """Channels' in-memory layer, made safe to send to from other threads' event loops.

    Its queues belong to the loop of those who receive; a message from elsewhere is handed to it.
    Looking for expired messages costs a walk over every group, so it is not done at every send.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._home: asyncio.AbstractEventLoop | None = None
        self._cleaned_at = 0.0

    def _clean_expired(self) -> None:
        if time.monotonic() - self._cleaned_at >= CLEAN_EVERY_S:
            self._cleaned_at = time.monotonic()
            super()._clean_expired()

    async def group_add(self, group: str, channel: str) -> None:
        self._home = asyncio.get_running_loop()
        await super().group_add(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        home = self._home
        if home is None or home.is_closed() or group not in self.groups:
            return
        if home is asyncio.get_running_loop():
            self._deliver(group, message)
        else:
            home.call_soon_threadsafe(self._deliver, group, message)

    def _deliver(self, group: str, message: dict[str, Any]) -> None:
        """Into every queue of the group that has room; the rest catches up by itself."""
        self._clean_expired()
        expires_at = time.time() + self.expiry
        for channel in self.groups.get(group, {}):
            queue = self.channels.get(channel)
            if queue is None:
                queue = self.channels[channel] = asyncio.Queue(self.get_capacity(channel))
            if not queue.full():
                queue.put_nowait((expires_at, dict(message)))
