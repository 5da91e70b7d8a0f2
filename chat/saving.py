"""What generations write: progress of all together, and the end of each. Called in threads that
hold no connection in between."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

from django.db import connections, transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from chat import remembering, steps
from chat.models import ChatSession, Message, MessageQuerySet, MessageSource, MessageStatus
from chat.models.grounding import NAME_CHARS
from chat.running import Generation
from chat.search import index
from knowledge.models import Base, Document
from knowledge.types import Passage
from providers.services import Charge, charge_of, record_call

IDS_PER_QUERY = 500


def without_connection(work: Callable[..., Any]) -> Callable[..., Any]:
    """Gives every connection of the thread back afterwards."""

    @wraps(work)
    def done(*args: Any) -> Any:
        try:
            return work(*args)
        finally:
            connections.close_all()

    return done


def _text(generation: Generation) -> dict[str, Any]:
    return {
        "content": generation.content,
        "thinking_content": generation.thoughts,
        "thinking_ms": generation.thinking_ms,
    }


@without_connection
def save_progress(generations: Sequence[Generation]) -> list[uuid.UUID]:
    """Write new text and heartbeats; the messages whose generation is no longer wanted."""
    unwanted = []
    with transaction.atomic():
        for start in range(0, len(generations), IDS_PER_QUERY):
            chunk = generations[start : start + IDS_PER_QUERY]
            ids = [generation.message_id for generation in chunk]
            rows = Message.objects.filter(pk__in=ids)
            found = {row[0]: row[1:] for row in rows.values_list("pk", "run", "is_stop_asked")}
            alive = [g for g in chunk if found.get(g.message_id) == (g.run, False)]
            unwanted += [g.message_id for g in chunk if g not in alive]
            _write(alive)
    return unwanted


def _write(alive: Sequence[Generation]) -> None:
    now = timezone.now()
    silent = [generation for generation in alive if not generation.is_unwritten]
    due = [generation.message_id for generation in silent if generation.is_beat_due()]
    if due:
        Message.objects.filter(pk__in=due).streaming().update(heartbeat_at=now)
    rows = []
    for generation in alive:
        if generation.is_unwritten:
            generation.is_unwritten = False
            rows.append(_progress(generation, now))
    if rows:
        _write_rows(rows)


def _progress(generation: Generation, now: datetime) -> dict[str, Any]:
    key = {"id": generation.message_id, "run": generation.run}
    return {**_text(generation), "heartbeat_at": now, **key, "status": MessageStatus.STREAMING}


def _write_rows(rows: Sequence[Mapping[str, Any]]) -> None:
    """One prepared statement for all: building hundreds of them would hold the lock too long."""
    connection = connections["default"]
    by_name = {field.name: field for field in Message._meta.concrete_fields}
    fields = [by_name[name] for name in rows[0]]
    changed = ", ".join(f"{field.column} = %s" for field in fields[:-3])
    same = " AND ".join(f"{field.column} = %s" for field in fields[-3:])
    table = connection.ops.quote_name(Message._meta.db_table)
    values = [
        [field.get_db_prep_save(row[field.name], connection) for field in fields] for row in rows
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {table} SET {changed} WHERE {same}", values)


@without_connection
def save_sources(generation: Generation) -> None:
    """What the answer was given, before it is asked for; nothing where nobody wants it any more."""
    with transaction.atomic():
        mine = Message.objects.filter(pk=generation.message_id, run=generation.run)
        if not mine.exists():
            return
        _write_sources(generation, mine)
        mine.update(revision=ChatSession.objects.bump(generation.session_id))
    generation.is_sourced = True


def _write_sources(generation: Generation, message: MessageQuerySet) -> None:
    MessageSource.objects.filter(message=generation.message_id).delete()
    MessageSource.objects.bulk_create(_sources(generation))
    message.update(remarks=[each.kept() for each in generation.remarks])


def _write_citations(generation: Generation, mine: MessageQuerySet) -> None:
    """What an application behind the provider found, after what was found here."""
    if not generation.citations or not mine.exists():
        return
    rows = MessageSource.objects.filter(message=generation.message_id)
    after = rows.aggregate(last=Max("number"))["last"] or 0
    made = steps.sources(
        generation.message_id,
        generation.citations,
        found_by=generation.target.provider_name,
        after=after,
    )
    MessageSource.objects.bulk_create(made)


def _sources(generation: Generation) -> list[MessageSource]:
    """Without pointing at what was deleted since it was found."""
    passages = generation.passages
    bases = {passage.base_id for passage in passages}
    documents = {passage.document_id for passage in passages if passage.document_id is not None}
    here = set(Base.objects.filter(pk__in=bases).values_list("pk", flat=True))
    there = set(Document.objects.filter(pk__in=documents).values_list("pk", flat=True))
    return [
        MessageSource(
            message_id=generation.message_id,
            number=number,
            base_id=passage.base_id if passage.base_id in here else None,
            document_id=passage.document_id if passage.document_id in there else None,
            **_told(passage),
        )
        for number, passage in enumerate(passages, 1)
    ]


def _told(passage: Passage) -> dict[str, Any]:
    return {
        "base_name": passage.base_name[:NAME_CHARS],
        "document_name": passage.document_name[:NAME_CHARS],
        "text": passage.text,
        "page": passage.page,
        "headings": list(passage.headings),
        "start": passage.start,
        "end": passage.end,
        "score": passage.score,
    }


@without_connection
def finish(generation: Generation) -> None:
    """The end of an answer, once: what arrived, how it ended, what it took.

    A reaper may have called it interrupted while the database was away: the run still owns it.
    """
    if generation.is_saved:
        return
    generation.end_thinking()
    at = timezone.now()
    charge = charge_of(target=generation.target, measured=generation.measured, at=at)
    with transaction.atomic():
        sessions = ChatSession.objects.filter(pk=generation.session_id)
        sessions.update(revision=F("revision") + 1, updated_at=timezone.now())
        revision = sessions.values_list("revision", flat=True).first()
        mine = Message.objects.filter(pk=generation.message_id, run=generation.run).filter(
            Q(status=MessageStatus.STREAMING) | Q(status=MessageStatus.INTERRUPTED)
        )
        index.remove(message=generation.message_id)
        if not generation.is_sourced and (generation.passages or generation.remarks):
            _write_sources(generation, mine)
        _write_citations(generation, mine)
        if generation.cited:
            cited = MessageSource.objects.filter(number__in=generation.cited)
            cited.filter(message=generation.message_id).update(is_cited=True)
        mine.update(revision=revision or 0, **_outcome(generation, charge), **_text(generation))
        rows = Message.objects.filter(pk=generation.message_id)
        index.add(rows.select_related("session").defer("thinking_content"))
        _record(generation, charge, at)
    generation.is_saved = True


def _outcome(generation: Generation, charge: Charge) -> dict[str, Any]:
    measured = generation.measured
    usage, is_estimated = measured.final_usage()
    state = generation.state
    return {
        **({"provider_state": remembering.kept(state)} if state is not None else {}),
        "status": generation.ending or MessageStatus.INTERRUPTED,
        "error_code": generation.error_code,
        "finish_reason": measured.finish_reason[:40],
        "claims": generation.claims,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "is_estimated": is_estimated,
        "ttft_ms": measured.ttft_ms,
        "duration_ms": measured.duration_ms,
        "cost": charge.cost,
        "currency": charge.currency,
    }


def _record(generation: Generation, charge: Charge, at: datetime) -> None:
    record_call(
        target=generation.target,
        user=generation.user,
        source="chat",
        status=generation.ending or MessageStatus.INTERRUPTED,
        error_code=generation.error_code,
        measured=generation.measured,
        call_id=generation.run,
        charge=charge,
        at=at,
    )
