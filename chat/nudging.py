"""Nudges for the worker. Each may be lost: beat looks at everything again within a minute."""

import logging

from django.db import transaction

logger = logging.getLogger(__name__)

EXPIRES_S = 60


def tend_examples() -> None:
    """Something waits to be collected, or to be left out."""
    transaction.on_commit(lambda: _send("tend_examples"))


def _send(task: str) -> None:
    from kombu.exceptions import OperationalError

    from llmplatform.celery import app

    try:
        app.send_task(f"chat.tasks.{task}", expires=EXPIRES_S)
    except (OperationalError, OSError):
        logger.warning("the broker does not answer; beat will send %s again", task)
