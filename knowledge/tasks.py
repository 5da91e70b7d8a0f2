"""Short nudges; the database holds what is to be done. Losing or doubling one does no harm."""

import fcntl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from celery import shared_task
from django.conf import settings

from knowledge import queues


def lock_file() -> Path:
    """Held by the worker of this machine as long as it lives."""
    return Path(settings.PLATFORM_DATA) / "run" / "knowledge-worker.lock"


@shared_task(expires=30)
def look() -> None:
    """A process for what waits, unless this machine has one. It inherits the lock, so that no
    second one is started while it starts."""
    if not queues.is_waiting():
        return
    lock_file().parent.mkdir(parents=True, exist_ok=True)
    with lock_file().open("a") as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command = [sys.executable, "-m", "knowledge.worker"]
        subprocess.Popen(
            command,
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            pass_fds=[file.fileno()],
        )


@shared_task(expires=600)
def drop_space(space_id: str) -> None:
    """Of a base that is gone; only a server has to be told."""
    from knowledge import indexing  # only here: a worker is smaller without it

    indexing.drop_on_server(UUID(space_id))


@shared_task(expires=600)
def forget() -> None:
    """Uploads that died, files of documents that are gone, indexes that were replaced."""
    from knowledge import forgetting

    forgetting.forget()
