"""Wakes up whoever watches a workload. Losing a nudge costs a second: they look by themselves."""

from django.conf import settings


def nudge(workload_id: object) -> None:
    """From a process without a loop of its own, and without watchers."""
    if settings.REDIS_URL:
        from llmplatform.nudges import nudges  # with all that belongs to Redis

        nudges.send_from_thread([(f"training.{workload_id}", {"type": "changed"})])
