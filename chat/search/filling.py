"""Brings into the index what was written before it was there: session by session, the newest first,
beside the running platform, in steps short enough that nobody waits for one.
"""

import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Min, Q, QuerySet
from django.utils import timezone

from chat.models import FIRST_ID, ChatSession, Message, MessageStatus, SearchEntry, SearchFill
from chat.search import index, store

SESSIONS_AT_ONCE = 50
MESSAGES_AT_ONCE = 500

Told = Callable[[SearchFill], None]


def state() -> SearchFill | None:
    """None once everything is in the index."""
    return SearchFill.objects.filter(finished_at=None).first()


def begin() -> SearchFill:
    """Forget the index and start to fill it anew."""
    with transaction.atomic():
        SearchEntry.objects.all().delete()
        store.empty()
        total = ChatSession.objects.count()
        fill, _made = SearchFill.objects.update_or_create(
            pk=1,
            defaults={
                **{"session_at": None, "session_id": None, "finished_at": None},
                **{"sessions_done": 0, "sessions_total": total},
            },
        )
    return fill


def fill(for_s: float, *, is_alone: bool = False, told: Told = lambda _fill: None) -> bool:
    """Work for so many seconds; whether everything is in now. Unless it `is_alone`, half of the
    time is left to others: on SQLite one writes at a time."""
    until = time.monotonic() + for_s
    while time.monotonic() < until:
        started = time.monotonic()
        with transaction.atomic():
            now = SearchFill.objects.select_for_update().filter(finished_at=None).first()
            if now is None:
                return True
            _step(now)
        told(now)
        if not is_alone:
            time.sleep(time.monotonic() - started)
    return False


def _step(now: SearchFill) -> None:
    """Some messages, or the news that these sessions are in as a whole."""
    sessions = list(
        _after(now.session_at, now.session_id).values_list("created_at", "pk")[:SESSIONS_AT_ONCE]
    )
    if not sessions:
        now.finished_at = timezone.now()
    elif not _add_some([pk for _at, pk in sessions]):
        now.session_at, now.session_id = sessions[-1]
        now.sessions_done += len(sessions)
    now.save()


def _after(at: datetime | None, pk: UUID | None) -> QuerySet[ChatSession]:
    rows = ChatSession.objects.order_by("-created_at", "-pk")
    return rows if at is None else rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk))


def _add_some(session_ids: list[UUID]) -> int:
    missing = Message.objects.filter(session__in=session_ids, search_entry=None)
    missing = missing.exclude(status=MessageStatus.STREAMING).exclude(content="")
    rows = missing.select_related("session").order_by("-session__created_at", "-created_at", "-pk")
    lowest = SearchEntry.objects.aggregate(at=Min("pk"))["at"]
    first_id = min(FIRST_ID, lowest or FIRST_ID) - 1
    return index.add(rows[:MESSAGES_AT_ONCE], first_id=first_id)
