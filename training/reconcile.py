"""On a node: what should be running here, what is, and the difference.

Short and idempotent; any number of these at once do no harm, since whoever starts a shim holds its
lock and hands it on.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import timezone

from training import lifecycle
from training.models import Node, Workload
from training.shim import locks

logger = logging.getLogger(__name__)

# A lease that ran out this long ago on a node that is silent, too, is given up.
NODE_LOST_AFTER = timedelta(minutes=5)
SUSPEND_WITHIN_S = 60.0


def shim_lock(workload: Workload) -> Path:
    return workload.folder / "shim.lock"


def reconcile(workload: Workload) -> None:
    """See to it that a shim watches `workload`, which this node holds the lease of."""
    try:
        lock = locks.take(shim_lock(workload))
    except locks.Held:
        return
    with lock:
        if workload.pid is None:  # granted, and not begun
            fence: int | None = workload.fence
        else:
            logger.warning("%s: its shim is gone; starting another", workload.pk)
            fence = lifecycle.take_over(workload, is_new_attempt=False)
        if fence is not None:
            start_shim(workload, fence, lock)


def start_shim(workload: Workload, fence: int, lock: IO[str]) -> None:
    """The shim inherits the lock, so that at no moment a second one could be started."""
    with (workload.folder / "shim.log").open("ab") as log:
        shim = subprocess.Popen(
            [sys.executable, "-m", "training.shim", str(workload.pk), str(fence)],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    locks.name_holder(lock, shim.pid)


def reconcile_node(node: Node) -> None:
    for workload in Workload.objects.active().filter(node=node):
        reconcile(workload)


def reap() -> int:
    """Give up on what a lost node held; how many that were."""
    limit = timezone.now() - NODE_LOST_AFTER
    lost = 0
    for workload in Workload.objects.active().filter(lease_expires_at__lt=limit):
        if workload.node is None or not workload.node.is_live:
            lost += lifecycle.lose(workload)
    return lost


def suspend_node(node: Node, *, wait_s: float = SUSPEND_WITHIN_S) -> int:
    """Ask every shim here to save and leave; its workload waits for the next start.

    What does not leave in time is killed, and goes on from its last checkpoint. How many there
    were.
    """
    shims = {}
    for workload in Workload.objects.active().filter(node=node):
        pid = locks.holder(shim_lock(workload))
        if pid:
            os.kill(pid, signal.SIGTERM)
            shims[workload.pk] = workload
    deadline = time.monotonic() + wait_s
    while any(locks.holder(shim_lock(w)) is not None for w in shims.values()):
        if time.monotonic() > deadline:
            _kill_all(list(shims.values()))
            break
        time.sleep(0.1)
    return len(shims)


def _kill_all(workloads: list[Workload]) -> None:
    for workload in workloads:
        for lock in (shim_lock(workload), workload.folder / "runner.lock"):
            pid = locks.holder(lock)
            if pid:
                os.kill(pid, signal.SIGKILL)
