"""What runs, what waits and when it may start, and who is here."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from accounts.models import AuditEvent, User
from chat.models import ChatSession
from providers.models import CallRecord
from training.models import Kind, Node, Slot, Workload

SHOWN = 20
DAY = timedelta(hours=24)


@dataclass(frozen=True)
class Waiting:
    """`starts_in_s`: 0 when a place is free, None when nobody can tell."""

    workload: Workload
    position: int
    starts_in_s: int | None


@dataclass(frozen=True)
class Queue:
    rows: list[Waiting]
    length: int

    @property
    def unseen(self) -> int:
        return self.length - len(self.rows)


def running() -> list[Workload]:
    """Trainings and builds first, then what is served."""
    rows = Workload.objects.active().select_related("owner", "node")
    found = list(rows.order_by("-started_at", "created_at")[: SHOWN * 5])
    return sorted(found, key=lambda row: row.kind == Kind.SERVE)


def _free_slots() -> int:
    return Slot.objects.filter(workload=None, node__in=Node.objects.available()).count()


def queue() -> Queue:
    """In the order in which they will be granted a place.

    The n-th to wait may start when the n-th place gets free, as far as the running ones say how
    long they need; how long those need that wait before it, nobody knows.
    """
    rows = list(Workload.objects.queued().select_related("owner")[:SHOWN])
    if not rows:
        return Queue([], 0)
    held = Workload.objects.active().exclude(slots=None).distinct()
    ends = sorted(row.remaining_s for row in held if row.remaining_s is not None)
    starts: list[int] = [0] * _free_slots() + ends
    waiting = [
        Waiting(row, index + 1, starts[index] if index < len(starts) else None)
        for index, row in enumerate(rows)
    ]
    return Queue(waiting, Workload.objects.queued().count())


def active_people() -> int:
    """Who signed in, chatted, called a model or changed something within a day."""
    since = timezone.now() - DAY
    seen: set[int | None] = set()
    seen.update(User.objects.filter(last_login__gt=since).values_list("pk", flat=True))
    calls = CallRecord.objects.filter(at__gt=since).order_by()
    seen.update(calls.values_list("user_id", flat=True).distinct())
    events = AuditEvent.objects.filter(at__gt=since).order_by()
    seen.update(events.values_list("actor_id", flat=True).distinct())
    chats = ChatSession.objects.filter(updated_at__gt=since).order_by()
    seen.update(chats.values_list("owner_id", flat=True).distinct())
    return len(seen - {None})
