"""Wakes up whoever watches a workload. Losing a nudge costs a second: they look by themselves."""

import asyncio
import logging
import threading
from functools import cache

from django.conf import settings

logger = logging.getLogger(__name__)

# Threads of a worker use the loop in turns.
_TURNS = threading.Lock()


@cache
def _runner() -> asyncio.Runner:
    """One loop for all nudges: the layer keeps a connection for each."""
    return asyncio.Runner()


def nudge(workload_id: object) -> None:
    """From a process without a loop of its own."""
    if not settings.REDIS_URL:  # an in-memory layer would reach nobody but this process
        return
    from channels.layers import get_channel_layer  # with all that belongs to Redis

    sending = get_channel_layer().group_send(f"training.{workload_id}", {"type": "changed"})
    try:
        with _TURNS:
            _runner().run(sending)
    except OSError:
        logger.warning("the channel layer does not answer; watchers will poll")
