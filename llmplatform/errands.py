"""Tasks that are sent to wake up a worker. Each may be lost: beat looks at everything again."""

import logging

logger = logging.getLogger(__name__)


def send(task: str, *args: str, expires_s: int, queue: str | None = None) -> None:
    """`task` is a name, "training.tasks.schedule". A broker that is away is no error."""
    # Only here: a process beside a training sends its first one when it ends.
    from kombu.exceptions import OperationalError

    from llmplatform.celery import app

    try:
        app.send_task(task, args=args, queue=queue, expires=expires_s)
    except (OperationalError, OSError):
        logger.warning("the broker does not answer; beat will send %s again", task)
