"""The way back and forth between answers and the records of datasets."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import QuerySet

from accounts.models import User
from chat import reviewing
from chat.models import ChatSession, CollectedRow, Message
from chat.withdrawing import Trail, trail_of
from training.models import Dataset
from training.services import holds, record_hashes

COUNTED_ROWS = 200_000


@dataclass(frozen=True)
class Origin:
    """Of one record. `path`: of the page that shows where it comes from, "" where the reader may
    not see it."""

    number: int
    rows: list[tuple[CollectedRow, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Summary:
    """Of a whole version."""

    records: int
    people: int
    withdrawn: int


def uses_of(message: Message) -> Trail:
    """The dataset versions that have it, what was trained on them, and where that is served."""
    return trail_of(CollectedRow.objects.filter(message_id=message.pk))


def summary_of(dataset: Dataset) -> Summary | None:
    """None: nothing in it was collected."""
    rows = CollectedRow.objects.filter(collection__owner=dataset.owner_id)
    values = rows.values_list("line_hash", "person", "withdrawn_at")[:COUNTED_ROWS]
    known: dict[int, list[tuple[str, bool]]] = {}
    for number, person, withdrawn_at in values:
        known.setdefault(number, []).append((person, withdrawn_at is not None))
    if not known or not dataset.has_file:
        return None
    found = holds(dataset, known)
    if not found.any():
        return None
    present = [
        known[number] for number in set(record_hashes(dataset, 0, dataset.records)) & known.keys()
    ]
    people = {person for sources in present for person, _is_gone in sources}
    gone = sum(all(is_gone for _person, is_gone in sources) for sources in present)
    return Summary(int(found.sum()), len(people), gone)


def origins_of(dataset: Dataset, reader: User, *, start: int, stop: int) -> list[Origin]:
    """Of the records from position `start` to before `stop`."""
    numbers = record_hashes(dataset, start, stop)
    rows = CollectedRow.objects.filter(collection__owner=dataset.owner_id, line_hash__in=numbers)
    paths = _paths(rows, reader)
    by_number: dict[int, list[tuple[CollectedRow, str]]] = {}
    for row in rows.select_related("collection", "feedback__user__training_consent"):
        by_number.setdefault(row.line_hash, []).append((row, paths.get(row.pk, "")))
    return [
        Origin(position + 1, by_number.get(number, []))
        for position, number in enumerate(numbers, start=start)
    ]


def _paths(rows: QuerySet[CollectedRow], reader: User) -> dict[int, str]:
    """The chat for whose it is, the review for reviewers while its person agrees."""
    messages = [row.message_id for row in rows if row.message_id is not None]
    own = Message.objects.filter(pk__in=messages, session__in=ChatSession.objects.for_user(reader))
    sessions = dict(own.values_list("pk", "session_id"))
    shown = _reviewable(row.feedback_id for row in rows) if reviewing.may_review(reader) else set()
    found: dict[int, str] = {}
    for row in rows:
        if row.message_id in sessions:
            found[row.pk] = f"/chat/{sessions[row.message_id]}/#message-{row.message_id}"
        elif row.feedback_id in shown:
            found[row.pk] = f"/feedback/{row.feedback_id}/"
    return found


def _reviewable(feedback_ids: Iterable[int | None]) -> set[int]:
    wanted = {pk for pk in feedback_ids if pk is not None}
    return set(reviewing.inbox().filter(pk__in=wanted).values_list("pk", flat=True))
