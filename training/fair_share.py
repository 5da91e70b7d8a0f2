"""Whose turn it is, and who has used up what the month allows.

First the higher priority; then whoever holds fewer places at the moment; then whoever used less of
them in the last day; then whoever has waited longest. So one person's hundred jobs do not keep
another's single one waiting for longer than the run that is under way.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import User
from training.models import GpuQuota, SharingSettings, Slot, SlotUse, Workload

REMEMBERED = timedelta(days=1)
# What a job is reckoned with, for the order behind it, when nobody knows how long it will take.
UNKNOWN_S = 3600.0


@dataclass(frozen=True)
class Quota:
    """GPU hours of this month. `limit` None: as many as there are."""

    used: float
    limit: float | None

    @property
    def is_spent(self) -> bool:
        return self.limit is not None and self.used >= self.limit


@dataclass
class Shares:
    """By owner: places held now, and seconds of places in the last day."""

    held: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    seconds: dict[int, float] = field(default_factory=lambda: defaultdict(float))

    def key(self, workload: Workload) -> tuple[object, ...]:
        owner = workload.owner_id
        since = workload.queued_at or workload.created_at
        return (-workload.priority, self.held[owner], self.seconds[owner], since, workload.pk)


def shares(now: datetime | None = None) -> Shares:
    now = now or timezone.now()
    found = Shares()
    for owner in Slot.objects.exclude(workload=None).values_list("workload__owner", flat=True):
        found.held[owner] += 1
    begin = now - REMEMBERED
    for use in SlotUse.objects.since(begin):
        found.seconds[use.owner_id] += use.seconds_within(begin, now)
    return found


def in_turn(
    waiting: Iterable[Workload], now: Shares, expected_s: Mapping[object, float | None]
) -> list[Workload]:
    """`waiting` in the order in which places are offered to it."""
    lines: dict[int, list[Workload]] = defaultdict(list)
    # Of one owner's the order stays whatever he holds: only those at the front compete.
    for workload in sorted(waiting, key=now.key, reverse=True):
        lines[workload.owner_id].append(workload)
    order = []
    while lines:
        owner = min(lines, key=lambda each: now.key(lines[each][-1]))
        first = lines[owner].pop()
        if not lines[owner]:
            del lines[owner]
        order.append(first)
        places = first.node_count * first.processes
        now.held[owner] += places
        now.seconds[owner] += places * (expected_s.get(first.pk) or UNKNOWN_S)
    return order


def _month_begin(now: datetime) -> datetime:
    local = timezone.localtime(now)
    return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def limit_of(owner_id: int) -> float | None:
    own = GpuQuota.objects.filter(user_id=owner_id).first()
    return own.gpu_hours_per_month if own else SharingSettings.current().gpu_hours_per_month


def quota_of(user: User) -> Quota:
    return quotas([user.pk])[user.pk]


def quotas(owner_ids: Iterable[int]) -> dict[int, Quota]:
    now = timezone.now()
    begin = _month_begin(now)
    seconds = dict.fromkeys(owner_ids, 0.0)
    for use in SlotUse.objects.since(begin).filter(owner__in=seconds, is_gpu=True):
        seconds[use.owner_id] += use.seconds_within(begin, now)
    return {owner: Quota(used / 3600, limit_of(owner)) for owner, used in seconds.items()}
