"""The time limit of tasks in a worker whose pool is threads: none of these can be ended alone.

So the whole worker begins anew, as the same process. What else it was doing is lost, which does no
harm: tasks only nudge, and the database holds every job.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from celery.signals import task_postrun, task_prerun, worker_ready
from django.conf import settings

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0


def begin_anew() -> None:
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Overdue:
    """What runs in this process, and for how long."""

    def __init__(
        self,
        limit_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        begin_anew: Callable[[], None] = begin_anew,
    ) -> None:
        self._limit_s, self._clock, self._begin_anew = limit_s, clock, begin_anew
        self._running: dict[str, tuple[str, float]] = {}

    def begun(self, task_id: str, name: str) -> None:
        self._running[task_id] = (name, self._clock())

    def ended(self, task_id: str) -> None:
        self._running.pop(task_id, None)

    def look(self) -> None:
        now = self._clock()
        for name, since in list(self._running.values()):
            if now - since > self._limit_s:
                logger.error("%s takes longer than %d s; starting anew", name, self._limit_s)
                self._begin_anew()
                return

    def watch(self) -> None:
        while True:
            time.sleep(LOOK_EVERY_S)
            self.look()


def install() -> None:
    """A pool of processes ends its tasks itself, and nothing of it runs here."""
    overdue = Overdue(settings.CELERY_TASK_TIME_LIMIT)

    @task_prerun.connect(weak=False)
    def on_begin(task_id: str, task: Any, **_: Any) -> None:
        overdue.begun(task_id, task.name)

    @task_postrun.connect(weak=False)
    def on_end(task_id: str, **_: Any) -> None:
        overdue.ended(task_id)

    @worker_ready.connect(weak=False)
    def on_ready(**_: Any) -> None:
        threading.Thread(target=overdue.watch, name="overdue tasks", daemon=True).start()
