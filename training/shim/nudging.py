"""Wakes up whoever watches a workload. Losing a nudge costs a second: they look by themselves."""

import logging

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)


def nudge(workload_id: object) -> None:
    if not settings.REDIS_URL:  # an in-memory layer would reach nobody but this process
        return
    layer = get_channel_layer()
    try:
        async_to_sync(layer.group_send)(f"training.{workload_id}", {"type": "changed"})
    except OSError:
        logger.warning("the channel layer does not answer; watchers will poll")
