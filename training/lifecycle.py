"""Every change of a workload's status, in one place: each writes its transition with it.

The functions that need a lease take the fencing number and change nothing when it is not the
current one; those for people change only what nobody holds.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from training import telling
from training.models import (
    LEASE,
    Desired,
    Member,
    Node,
    Reason,
    Slot,
    SlotUse,
    Status,
    Transition,
    Workload,
)
from training.models.workloads import ACTIVE, FINAL, WAITING, WorkloadQuerySet


def _record(workload_id: UUID, status: str, reason: str = "") -> None:
    row = Workload.objects.filter(pk=workload_id).select_related("node").get()
    Transition.objects.create(
        workload_id=row.pk,
        status=status,
        reason=reason,
        step=row.step,
        attempt=row.attempt,
        fence=row.fence,
        node_name=row.node.name if row.node else "",
    )


def _free_slots(workload_id: UUID) -> None:
    Slot.objects.filter(workload_id=workload_id).update(workload=None)
    SlotUse.objects.filter(workload_id=workload_id, ended_at=None).update(ended_at=timezone.now())
    Member.objects.filter(workload_id=workload_id).delete()


def _take_slots(workload: Workload, slots: list[Slot], others: Sequence[Node]) -> bool:
    """All of them, or none. `others`: the nodes beside the first one."""
    wanted = [slot.pk for slot in slots]
    taken = Slot.objects.filter(pk__in=wanted, workload=None).update(workload=workload)
    if taken != len(wanted):
        return False
    SlotUse.objects.bulk_create(
        SlotUse(
            owner_id=workload.owner_id,
            workload_id=workload.pk,
            node_name=slot.node.name,
            slot_index=slot.index,
            is_gpu=slot.is_gpu,
        )
        for slot in Slot.objects.filter(pk__in=wanted).select_related("node")
    )
    fence = Workload.objects.values_list("fence", flat=True).get(pk=workload.pk)
    Member.objects.bulk_create(
        Member(workload_id=workload.pk, node=node, rank=rank, fence=fence)
        for rank, node in enumerate(others, 1)
    )
    return True


def enqueue(workload: Workload) -> bool:
    """Into the queue, from pending on hold or from paused."""
    with transaction.atomic():
        rows = Workload.objects.filter(pk=workload.pk, status__in=WAITING)
        was_paused = rows.filter(status=Status.PAUSED).exists()
        moved = rows.exclude(status=Status.PENDING, desired=Desired.RUN).update(
            status=Status.PENDING,
            desired=Desired.RUN,
            queued_at=timezone.now(),
            finished_at=None,
            reason="",
        )
        if moved and was_paused:
            _record(workload.pk, Status.PENDING)
    return bool(moved)


def ask(workload: Workload, desired: str) -> bool:
    """What the holder of the lease is to do next; False if nobody holds one."""
    rows = Workload.objects.filter(pk=workload.pk, status__in=ACTIVE)
    # A stop is not taken back by a later pause.
    rows = rows.exclude(desired=Desired.STOP)
    return bool(rows.update(desired=desired))


def hold(workload: Workload) -> bool:
    """Out of the queue again, before a place was found."""
    rows = Workload.objects.filter(pk=workload.pk, status=Status.PENDING, desired=Desired.RUN)
    with transaction.atomic():
        if not rows.update(desired=Desired.PAUSE):
            return False
        if workload.attempt:  # it has run before: it is as paused as it was
            Workload.objects.filter(pk=workload.pk).update(status=Status.PAUSED)
            _record(workload.pk, Status.PAUSED)
    return True


def stop_waiting(workload: Workload) -> bool:
    """End what nobody runs."""
    with transaction.atomic():
        rows = Workload.objects.filter(pk=workload.pk, status__in=WAITING)
        if not rows.update(status=Status.STOPPED, desired=Desired.STOP, finished_at=timezone.now()):
            return False
        _record(workload.pk, Status.STOPPED)
    return True


def leave_slots(workload: Workload) -> None:
    """To others, while it goes on without them: a deployment that sleeps."""
    with transaction.atomic():
        _free_slots(workload.pk)


def retake_slots(workload: Workload, slots: list[Slot]) -> bool:
    """All of them; False if somebody was faster."""
    with transaction.atomic():
        is_taken = _take_slots(workload, slots, [])
        if not is_taken:
            transaction.set_rollback(True)
    return is_taken


def grant(
    workload: Workload, node: Node, slots: list[Slot], *, others: Sequence[Node] = ()
) -> bool:
    """Give `workload` a lease on `node` and these slots; False if somebody was faster.

    `others`: nodes that take part beside `node`, which leads.
    """
    with transaction.atomic():
        granted = Workload.objects.filter(
            pk=workload.pk, status=Status.PENDING, desired=Desired.RUN
        ).update(
            status=Status.PREPARING,
            node=node,
            fence=F("fence") + 1,
            attempt=F("attempt") + 1,
            lease_expires_at=Now() + LEASE,
            heartbeat_at=Now(),
            pid=None,
            exit_code=None,
            reason="",
            detail="",
            events_offset=0,
            log_offset=0,
        )
        if not granted:
            return False
        if not _take_slots(workload, slots, others):
            transaction.set_rollback(True)
            return False
        _record(workload.pk, Status.PREPARING)
    return True


def take_over(workload: Workload, *, is_new_attempt: bool) -> int | None:
    """A fresh lease for a workload whose holder is gone, on the same node; its new fence.

    The slots stay with it. `is_new_attempt`: its process is gone too and starts anew.
    """
    changes: dict[str, Any] = {"fence": F("fence") + 1, "lease_expires_at": Now() + LEASE}
    if is_new_attempt:
        changes |= {"attempt": F("attempt") + 1, "events_offset": 0, "log_offset": 0, "pid": None}
        changes |= {"status": Status.PREPARING, "restarts": F("restarts") + 1}
    with transaction.atomic():
        rows = Workload.objects.held(workload.pk, workload.fence)
        if not rows.update(**changes):
            return None
        if is_new_attempt:
            _record(workload.pk, Status.PREPARING)
    return workload.fence + 1


def mark_running(workload_id: UUID, fence: int, *, step: int = 0) -> None:
    """`step` is where it begins, which the history of the workload records."""
    rows = Workload.objects.filter(pk=workload_id, fence=fence, status=Status.PREPARING)
    with transaction.atomic():
        if rows.update(status=Status.RUNNING, step=step):
            Workload.objects.filter(pk=workload_id, started_at=None).update(
                started_at=timezone.now()
            )
            _record(workload_id, Status.RUNNING)


def lose(workload: Workload) -> bool:
    """Give up on a workload whose node fell silent; should it come back, its fence is stale."""
    with transaction.atomic():
        changed = Workload.objects.filter(
            pk=workload.pk, status__in=ACTIVE, lease_expires_at__lt=Now()
        ).update(
            status=Status.FAILED,
            reason=Reason.NODE_LOST,
            desired=Desired.STOP,
            fence=F("fence") + 1,
            lease_expires_at=None,
            pid=None,
            finished_at=timezone.now(),
        )
        if changed:
            _free_slots(workload.pk)
            _record(workload.pk, Status.FAILED, Reason.NODE_LOST)
            telling.tell_end(workload.pk)
    return bool(changed)


def _back_into_queue(rows: WorkloadQuerySet[Workload], workload_id: UUID, reason: str) -> bool:
    with transaction.atomic():
        changed = rows.update(
            status=Status.PENDING,
            fence=F("fence") + 1,
            restarts=F("restarts") + 1,
            lease_expires_at=None,
            pid=None,
        )
        if changed:
            _free_slots(workload_id)
            _record(workload_id, Status.PENDING, reason)
    return bool(changed)


def requeue_lost(workload: Workload) -> bool:
    """Its node fell silent, and another one can go on from its checkpoint."""
    rows = Workload.objects.filter(
        pk=workload.pk, status__in=ACTIVE, desired=Desired.RUN, lease_expires_at__lt=Now()
    )
    return _back_into_queue(rows, workload.pk, Reason.NODE_LOST) or lose(workload)


def requeue(workload_id: UUID, fence: int) -> bool:
    """A part of the run was lost: all places are given back, and it waits for new ones."""
    rows = Workload.objects.held(workload_id, fence).filter(desired=Desired.RUN)
    return _back_into_queue(rows, workload_id, Reason.NODE_LOST)


def settle(
    workload_id: UUID,
    fence: int,
    status: str,
    *,
    reason: str = "",
    detail: str = "",
    exit_code: int | None = None,
) -> bool:
    """The end of an attempt: success, failed, stopped or paused. Lease and slots are given back.

    Call it in a transaction together with whatever else the end means.
    """
    is_final = status in FINAL
    with transaction.atomic():
        changed = Workload.objects.held(workload_id, fence).update(
            status=status,
            reason=reason,
            detail=detail,
            exit_code=exit_code,
            lease_expires_at=None,
            pid=None,
            desired=Desired.STOP if is_final else Desired.PAUSE,
            finished_at=timezone.now() if is_final else None,
        )
        if not changed:
            return False
        _free_slots(workload_id)
        _record(workload_id, status, reason)
        if is_final:
            telling.tell_end(workload_id)
    return True
