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
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import IO

from django.conf import settings
from django.utils import timezone

from training import lifecycle
from training.models import Kind, Member, Node, Workload
from training.models.workloads import MAX_RESTARTS
from training.shim import locks, orphans

logger = logging.getLogger(__name__)

# A lease that ran out this long ago on a node that is silent, too, is given up.
NODE_LOST_AFTER = timedelta(minutes=5)
# Where others see its files, they take it over; a shim that cannot reach the database ends its run
# before that (supervision.ALONE_AT_MOST).
MOVED_AFTER = timedelta(minutes=20)
SUSPEND_WITHIN_S = 60.0
# Between the lock and the pid in it, which is written next.
NAMED_WITHIN_S = 1.0


def shim_lock(workload: Workload) -> Path:
    return workload.folder / "shim.lock"


def reconcile(
    workload: Workload, start: Callable[[Workload, int, IO[str]], None] | None = None
) -> None:
    """See to it that a shim watches `workload`, which this node holds the lease of.

    `start` is given the lock, which the shim inherits; a process of its own if it is None.
    """
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
            (start or start_shim)(workload, fence, lock)


def join(member: Member) -> None:
    """See to it that this node does its part in a run that another one leads."""
    try:
        lock = locks.take(member.workload.folder / f"shim-{member.rank}.lock")
    except locks.Held:
        return
    with lock:
        _start(member.workload, ["member", str(member.pk)], lock)


def start_shim(workload: Workload, fence: int, lock: IO[str]) -> None:
    _start(workload, [str(workload.pk), str(fence)], lock)


def _start(workload: Workload, arguments: list[str], lock: IO[str]) -> None:
    """The shim inherits the lock, so that at no moment a second one could be started."""
    with (workload.folder / "shim.log").open("ab") as log:
        shim = subprocess.Popen(
            [sys.executable, "-m", "training.shim", *arguments],
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
    parts = Member.objects.filter(node=node, has_ended=False).select_related("workload")
    for member in parts:
        join(member)
    orphans.look()


def reap() -> int:
    """Give up on what a lost node held; how many that were."""
    now, lost = timezone.now(), 0
    rows = Workload.objects.active().filter(lease_expires_at__lt=now - NODE_LOST_AFTER)
    for workload in rows.select_related("node"):
        if workload.node is not None and workload.node.is_live:
            continue
        if not _can_move(workload):
            lost += lifecycle.lose(workload)
        elif workload.lease_expires_at and workload.lease_expires_at < now - MOVED_AFTER:
            lost += lifecycle.requeue_lost(workload)
    return lost


def _can_move(workload: Workload) -> bool:
    """Whether another node sees its checkpoints, and it is worth another attempt."""
    node = workload.node
    if workload.kind != Kind.TRAIN or workload.restarts >= MAX_RESTARTS or node is None:
        return False
    storage = node.storage_id
    others = Node.objects.available().exclude(pk=node.pk)
    return bool(storage) and others.filter(storage_id=storage).exists()


def suspend_node(node: Node, *, wait_s: float = SUSPEND_WITHIN_S) -> int:
    """Ask every shim here to save and leave; its workload waits for the next start.

    What does not leave in time is killed, and goes on from its last checkpoint. How many there
    were.
    """
    shims = {}
    for workload in Workload.objects.active().filter(node=node):
        if _signal(shim_lock(workload), signal.SIGTERM):
            shims[workload.pk] = workload
    for member in Member.objects.filter(node=node).select_related("workload"):
        _leave(member)
    deadline = time.monotonic() + wait_s
    while any(locks.holder(shim_lock(w)) is not None for w in shims.values()):
        if time.monotonic() > deadline:
            _kill_all(list(shims.values()))
            break
        time.sleep(0.1)
    return len(shims)


def _leave(member: Member) -> None:
    """The leader notices, and the run goes on from its checkpoint when there are places again."""
    _signal(member.workload.folder / f"shim-{member.rank}.lock", signal.SIGTERM)


def _signal(lock: Path, number: int) -> bool:
    """To whoever holds it. False if nobody does, or no longer."""
    pid, deadline = locks.holder(lock), time.monotonic() + NAMED_WITHIN_S
    while pid == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
        pid = locks.holder(lock)
    try:
        if pid:
            os.kill(pid, number)
    except ProcessLookupError:
        return False
    return bool(pid)


def _kill_all(workloads: list[Workload]) -> None:
    for workload in workloads:
        for lock in (shim_lock(workload), workload.folder / "runner.lock"):
            _signal(lock, signal.SIGKILL)
