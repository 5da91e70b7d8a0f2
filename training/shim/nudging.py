"""Wakes up whoever watches a workload. Losing a nudge costs a second: they look by themselves."""

import asyncio
import logging
from functools import cache

from channels.layers import get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)


@cache
def _runner() -> asyncio.Runner:
    """One loop for all nudges: the layer keeps a connection for each."""
    return asyncio.Runner()


def nudge(workload_id: object) -> None:
    """From a process without a loop of its own."""
    if not settings.REDIS_URL:  # an in-memory layer would reach nobody but this process
        return
    sending = get_channel_layer().group_send(f"training.{workload_id}", {"type": "changed"})
    try:
        _runner().run(sending)
    except OSError:
        logger.warning("the channel layer does not answer; watchers will poll")
