"""Short nudges; the database holds what is to be done. Losing or doubling one does no harm."""

import fcntl
import subprocess
import sys
from pathlib import Path
from uuid import UUID

from celery import shared_task
from django.conf import settings


def lock_file() -> Path:
    """Held by the worker of this machine (worker.py)."""
    return Path(settings.PLATFORM_DATA) / "run" / "knowledge-worker.lock"


def _is_at_work() -> bool:
    try:
        with lock_file().open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


@shared_task(expires=30)
def look() -> None:
    """A process for what waits, unless this machine has one."""
    from knowledge import rounds  # only here: most workers seldom have a document

    if rounds.is_waiting() and not _is_at_work():
        command = [sys.executable, "-m", "knowledge.worker"]
        subprocess.Popen(command, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)


@shared_task(expires=600)
def drop_space(space_id: str) -> None:
    """Of a base that is gone; only a server has to be told."""
    from knowledge import indexing

    indexing.drop_on_server(UUID(space_id))


@shared_task(expires=600)
def forget() -> None:
    """Uploads that died, files of documents that are gone, indexes that were replaced."""
    from knowledge import forgetting

    forgetting.forget()
