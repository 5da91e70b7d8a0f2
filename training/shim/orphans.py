"""Processes that nobody watches: their workload has ended or is gone, and so is its shim."""

import contextlib
import logging
import time
from pathlib import Path
from uuid import UUID

import psutil
from django.conf import settings

from training.models import Workload
from training.models.workloads import FINAL
from training.shim import locks
from training.shim.process import MARK

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 60.0
_looked_at = -LOOK_EVERY_S


def look() -> None:
    """Now and then: to read every process's environment takes a moment."""
    global _looked_at
    now = time.monotonic()
    if now - _looked_at >= LOOK_EVERY_S:
        _looked_at = now
        end_orphans()


def end_orphans() -> int:
    """How many processes were ended. An end that is settled needs no grace."""
    marked = _marked()
    living = Workload.objects.filter(pk__in=set(marked.values())).exclude(status__in=FINAL)
    wanted = {str(pk) for pk in living.values_list("pk", flat=True)}
    orphans = {
        process: workload_id
        for process, workload_id in marked.items()
        if workload_id not in wanted and not _is_watched(workload_id)
    }
    for process, workload_id in orphans.items():
        logger.warning(
            "%s: it has ended, and process %s lives; ending it", workload_id, process.pid
        )
        with contextlib.suppress(psutil.Error):
            process.kill()
    return len(orphans)


def _marked() -> dict[psutil.Process, str]:
    """Those of this platform: another one may train on the same machine."""
    found = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, KeyError, ValueError):
            workload_id = str(UUID(process.environ()[MARK]))
            folder = Path(settings.TRAINING_ROOT, workload_id).resolve()
            if Path(process.cwd()).is_relative_to(folder):
                found[process] = workload_id
    return found


def _is_watched(workload_id: str) -> bool:
    folder = Path(settings.TRAINING_ROOT) / workload_id
    return any(locks.holder(lock) is not None for lock in folder.glob("shim*.lock"))
