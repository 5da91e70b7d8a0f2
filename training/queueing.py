"""The queue as people see it, and what they may do with what waits: their own, or everybody's for
administrators. Others' jobs have no name and no owner.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import dispatch, fair_share, lifecycle, scheduling
from training.errors import StateConflict
from training.fair_share import Quota
from training.models import Kind, Workload
from training.models.workloads import WorkloadQuerySet
from training.parallel import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_NORMAL
from training.scheduling import Place

RUNNING_SHOWN = 50


@dataclass(frozen=True)
class Row:
    """Of the queue, for one viewer. `workload` None: it is somebody else's."""

    place: Place
    viewer: User

    @property
    def workload(self) -> Workload | None:
        return shown_to(self.viewer, self.place.workload)

    @property
    def is_own(self) -> bool:
        return self.place.workload.owner_id == self.viewer.pk

    @property
    def kind_label(self) -> str:
        return str(self.place.workload.get_kind_display())

    @property
    def priority(self) -> int:
        return self.place.workload.priority

    @property
    def reason(self) -> str:
        waiting = self.place.waiting
        if self.workload is None and waiting.code == "quota":
            return _("The GPU hours of its owner are used up.")
        return waiting.text_for(None if self.viewer.is_admin else self.viewer.pk)


@dataclass(frozen=True)
class Share:
    """What one person has of the machines: now, in the last day, and of the month's GPU hours."""

    owner: User
    held: int
    day_hours: float
    quota: Quota

    @property
    def quota_percent(self) -> float | None:
        limit = self.quota.limit
        if limit is None:
            return None
        return 100.0 if not limit else min(100.0, self.quota.used / limit * 100)


@dataclass(frozen=True)
class Overview:
    waiting: Sequence[Row]
    running: Sequence[tuple[Workload, bool]]  # whether the viewer may know whose it is
    shares: Sequence[Share]
    at: datetime


def shown_to(viewer: User, workload: Workload) -> Workload | None:
    return workload if viewer.is_admin or workload.owner_id == viewer.pk else None


def reachable_by(viewer: User) -> WorkloadQuerySet[Workload]:
    """What `viewer` may move or take out of the queue."""
    rows = Workload.objects.select_related("owner", "node")
    return rows if viewer.is_admin else rows.for_user(viewer)


def overview(viewer: User) -> Overview:
    plan = scheduling.plan()
    running = Workload.objects.active().select_related("owner", "node")
    rows = running.order_by("started_at", "created_at")[:RUNNING_SHOWN]
    return Overview(
        [Row(place, viewer) for place in plan],
        [(row, shown_to(viewer, row) is not None) for row in rows],
        shares_for(viewer, {place.workload.owner_id for place in plan}),
        timezone.now(),
    )


def shares_for(viewer: User, waiting: set[int]) -> list[Share]:
    """The viewer's own; for administrators everybody's who holds, used or waits, the viewer too."""
    now = fair_share.shares()
    wanted = {viewer.pk}
    if viewer.is_admin:
        wanted |= waiting | {pk for pk, held in now.held.items() if held}
        wanted |= {pk for pk, seconds in now.seconds.items() if seconds}
    quotas = fair_share.quotas(wanted)
    found = [
        Share(owner, now.held[owner.pk], now.seconds[owner.pk] / 3600, quotas[owner.pk])
        for owner in User.objects.filter(pk__in=wanted)
    ]
    return sorted(found, key=lambda share: (-share.held, -share.day_hours, share.owner.email))


def set_priority(
    *, workload: Workload, actor: User, priority: int, request: HttpRequest | None = None
) -> None:
    """Of what waits. Everybody may let others pass; only administrators put a job before others'.

    Raises ValidationError, PermissionDenied for somebody else's, StateConflict.
    """
    if not actor.is_admin and workload.owner_id != actor.pk:
        raise PermissionDenied
    if not PRIORITY_LOW <= priority <= PRIORITY_HIGH:
        text = _("Enter a number from %(low)d to %(high)d.")
        shown = {"low": PRIORITY_LOW, "high": PRIORITY_HIGH}
        raise ValidationError({"priority": [text % shown]})
    if priority > PRIORITY_NORMAL and not actor.is_admin:
        text = _("Only administrators can put a job before those of others.")
        raise ValidationError({"priority": [text]})
    with transaction.atomic():
        row = Workload.objects.queued().select_for_update().filter(pk=workload.pk).first()
        if row is None:
            raise StateConflict("reorder", workload.state)
        Workload.objects.filter(pk=row.pk).update(priority=priority)
        _audit(
            "job.priority",
            row,
            actor,
            request,
            before={"priority": row.priority},
            after={"priority": priority},
        )
        dispatch.look_at_queue()


def withdraw(*, workload: Workload, actor: User, request: HttpRequest | None = None) -> None:
    """Out of the queue: a training keeps its place in life and can be started again, everything
    else ends. Raises PermissionDenied, StateConflict."""
    if workload.owner_id != actor.pk and not actor.is_admin:
        raise PermissionDenied
    with transaction.atomic():
        leave = lifecycle.hold if workload.kind == Kind.TRAIN else _end
        if not leave(workload):
            workload.refresh_from_db()
            raise StateConflict("withdraw", workload.state)
        _audit("job.withdraw", workload, actor, request)


def _end(workload: Workload) -> bool:
    is_waiting = Workload.objects.queued().filter(pk=workload.pk).exists()
    return is_waiting and lifecycle.stop_waiting(workload)


def _audit(
    action: str, workload: Workload, actor: User, request: HttpRequest | None, **values: Any
) -> None:
    audit(actor=actor, action=action, target=workload, request=request, **values)
