"""Who runs next and where; and what those who wait are told.

One plan serves both: the scheduler carries out its placements, the pages show its reasons.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone

from training import fair_share, lifecycle, placement
from training.models import Forecast, Kind, Workload
from training.placement import Machine, Picture, Placement
from training.waiting import Waiting

# Work that a quota holds back; a deployment must wake when it is asked, a build is the platform's.
HELD_BY_QUOTA = (Kind.TRAIN, Kind.EVALUATE)


@dataclass(frozen=True)
class Place:
    """In the queue. `placement` None: it waits, and `waiting` says why; `expected_at` None: nobody
    can tell when it starts."""

    workload: Workload
    position: int
    waiting: Waiting
    placement: Placement | None
    expected_at: datetime | None

    @property
    def reason(self) -> str:
        return self.waiting.text_for(self.workload.owner_id)

    @property
    def expected_in_s(self) -> float | None:
        if self.expected_at is None:
            return None
        return max(0.0, (self.expected_at - timezone.now()).total_seconds())

    def as_json(self) -> dict[str, Any]:
        return {
            "position": self.position,
            "reason": self.waiting.code,
            "message": self.reason,
            "expected_at": self.expected_at,
        }


def _durations(waiting: list[Workload]) -> dict[Any, float | None]:
    """Seconds that each is still going to take, as far as it is known."""
    ids = [workload.pk for workload in waiting]
    told = dict(Forecast.objects.filter(job__in=ids).values_list("job_id", "time_s"))
    found: dict[Any, float | None] = {}
    for workload in waiting:
        if workload.step_s and workload.max_steps:
            found[workload.pk] = workload.step_s * (workload.max_steps - workload.step)
        else:
            found[workload.pk] = told.get(workload.pk)
    return found


def in_order() -> tuple[list[Workload], dict[Any, float | None]]:
    waiting = list(Workload.objects.queued().select_related("node"))
    if not waiting:  # as most of the time, every few seconds
        return [], {}
    durations = _durations(waiting)
    return fair_share.in_turn(waiting, fair_share.shares(), durations), durations


def plan() -> list[Place]:
    """The queue in order, each with its place or its reason."""
    order, durations = in_order()
    if not order:
        return []
    picture = placement.take_picture()
    quotas = fair_share.quotas({workload.owner_id for workload in order})
    forecast = _Forecast(picture)
    found = []
    for position, workload in enumerate(order, 1):
        quota = quotas[workload.owner_id]
        decided: Placement | Waiting
        if workload.kind in HELD_BY_QUOTA and quota.is_spent:
            decided = Waiting("quota", {"used": quota.used, "limit": quota.limit})
            expected = None
        else:
            expected = forecast.start_of(workload, durations[workload.pk])
            decided = placement.place(workload, picture)
        given = decided if isinstance(decided, Placement) else None
        reason = Waiting("next") if isinstance(decided, Placement) else decided
        at = timezone.now() if given else expected
        found.append(Place(workload, position, reason, given, at))
    return found


class _Forecast:
    """When each could begin, if everything takes as long as it is expected to."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.free_at: dict[int, datetime | None] = {
            seat.slot.pk: seat.free_at for seat in picture.seats()
        }

    def start_of(self, workload: Workload, duration_s: float | None) -> datetime | None:
        machines = placement.usable(workload, self.picture)
        if isinstance(machines, Waiting):
            return None
        machines = placement.fitting(workload, machines, self.picture)
        if isinstance(machines, Waiting) or not machines:
            return None
        chosen: list[int] = []
        options = sorted((self._soonest(workload, machine) for machine in machines), key=_by_time)
        for _at, slots in options[: workload.node_count]:
            chosen += slots
        known = [at for pk in chosen if (at := self.free_at[pk]) is not None]
        start = max(known, default=None) if len(known) == len(chosen) else None
        end = start + timedelta(seconds=duration_s) if start and duration_s is not None else None
        self.free_at |= dict.fromkeys(chosen, end)
        return start

    def _soonest(self, workload: Workload, machine: Machine) -> tuple[datetime | None, list[int]]:
        wanted = workload.processes if machine.has_gpus else 1
        slots = [(self.free_at[seat.slot.pk], [seat.slot.pk]) for seat in machine.seats]
        first = sorted(slots, key=_by_time)[:wanted]
        times = [at for at, _pks in first]
        last = None if None in times else max(at for at in times if at is not None)
        return last, [pk for _at, pks in first for pk in pks]


def _by_time(option: tuple[datetime | None, list[int]]) -> tuple[bool, datetime, list[int]]:
    at, slots = option
    return at is None, at or timezone.now(), slots


def queue() -> dict[UUID, Place]:
    return {place.workload.pk: place for place in plan()}


def place_of(workload: Workload) -> Place | None:
    """None when it is not waiting for a place."""
    return queue().get(workload.pk) if workload.is_queued else None


def queue_position(workload: Workload) -> int | None:
    """1 for the next one; None when it is not waiting."""
    return queue_positions([workload]).get(workload.pk)


def queue_positions(workloads: Iterable[Workload]) -> dict[UUID, int]:
    """Of those that wait, with the queue looked at once for all of them."""
    waiting = {each.pk for each in workloads if each.is_queued}
    order = in_order()[0] if waiting else []
    return {each.pk: n for n, each in enumerate(order, 1) if each.pk in waiting}


def grant_waiting() -> list[Workload]:
    """Leases for as many of the queue as there is room for. Two of these at once do no harm."""
    granted = []
    for each in plan():
        if each.placement is None:
            continue
        nodes, slots = each.placement.nodes, list(each.placement.slots)
        if lifecycle.grant(each.workload, nodes[0], slots, others=nodes[1:]):
            each.workload.refresh_from_db()
            granted.append(each.workload)
    return granted
