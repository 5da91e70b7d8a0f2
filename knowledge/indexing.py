"""The index of this process, brought up to date from the database before it answers.

With a Qdrant server there is one for all, and the worker tells it what has changed; the embedded
one is this process' own. Which change was the last is kept by the index itself, or by the space.
"""

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import F

from knowledge import words
from knowledge.index import Filters, Hit, Index, Point, open_folder, open_server
from knowledge.index import Space as Place
from knowledge.models import Base, Change, Chunk, Document, Space, SpaceStatus, Vector
from knowledge.types import Passage, Stages
from llmplatform.arrays import np

# Documents in one go, and chunks in one call.
DOCUMENTS = 20
# How long a question waits for passages that are new.
WAIT_S = 1.5
CHUNKS = 500
# A base of few chunks says little about how long its chunks are.
USUAL_TERMS, USUAL_WEIGHT, LOOKED_AT = 150.0, 20, 500
LOW_BITS = (1 << 64) - 1


def is_server() -> bool:
    return bool(settings.QDRANT_URL)


def folder() -> Path:
    """Of the embedded index."""
    return Path(settings.PLATFORM_DATA) / "index"


@functools.cache
def the_index() -> Index:
    if is_server():
        return open_server(settings.QDRANT_URL, api_key=settings.QDRANT_API_KEY)
    return open_folder(folder())


def place_of(space: Space) -> Place:
    return Place(space.pk, space.dimension)


def point_id(space: Space, chunk_id: int) -> UUID:
    """Of a chunk in a space; the chunk can be told from it (`chunk_of`)."""
    return UUID(int=(space.pk.int & ~LOW_BITS) | chunk_id)


def chunk_of(point: UUID) -> int:
    return point.int & LOW_BITS


_turns: dict[UUID, threading.Lock] = defaultdict(threading.Lock)


def catch_up(space: Space, *, within_s: float | None = None) -> bool:
    """Apply the changes that the index does not know yet. False if that is not done in time, by
    this thread or by another one that is at it. IndexUnavailable."""
    turn, end = _turns[space.pk], time.monotonic() + (within_s or 0)
    if not turn.acquire(timeout=-1 if within_s is None else within_s):
        return False
    try:
        index = the_index()
        cursor = _cursor(index, space)
        while changes := _changes(space, cursor):
            if within_s is not None and time.monotonic() > end:
                return False
            _apply(index, space, [document_id for _revision, document_id in changes])
            cursor = changes[-1][0]
            _keep_cursor(index, space, cursor)
    finally:
        turn.release()
    return True


def _changes(space: Space, cursor: int) -> list[tuple[int, int]]:
    """The next ones: revision and document."""
    rows = Change.objects.filter(base=space.base_id, revision__gt=cursor).order_by("revision")
    return list(rows.values_list("revision", "document_id")[:DOCUMENTS])


def _cursor(index: Any, space: Space) -> int:
    if is_server():
        return Space.objects.values_list("applied", flat=True).get(pk=space.pk)
    return int(index.cursor(place_of(space)))


def _keep_cursor(index: Any, space: Space, cursor: int) -> None:
    if is_server():
        Space.objects.filter(pk=space.pk, applied__lt=cursor).update(applied=cursor)
    else:
        index.set_cursor(place_of(space), cursor)


def _apply(index: Index, space: Space, document_ids: Sequence[int]) -> None:
    """What these documents are now, and nothing of what they were."""
    index.remove_documents(place_of(space), document_ids)
    found = Document.objects.searchable().filter(pk__in=document_ids)
    documents = {document.pk: document for document in found.select_related("base")}
    rows = Chunk.objects.current().filter(document__in=documents, is_enabled=True).order_by("pk")
    for batch in _batches(rows):
        _settle_average(space, batch)
        vectors = _vectors(space, batch)
        points = [
            _point(space, chunk, documents[chunk.document_id], vectors.get(chunk.pk))
            for chunk in batch
        ]
        index.put(place_of(space), points)


def _batches(rows: Any) -> Iterator[list[Chunk]]:
    """By number, since a slice far down would count all above it."""
    last = 0
    while batch := list(rows.filter(pk__gt=last)[:CHUNKS]):
        last = batch[-1].pk
        yield batch


def _vectors(space: Space, chunks: Sequence[Chunk]) -> dict[int, bytes]:
    if space.is_lexical:
        return {}
    rows = Vector.objects.filter(space=space.pk, chunk__in=[chunk.pk for chunk in chunks])
    return {pk: bytes(data) for pk, data in rows.values_list("chunk_id", "data")}


def _point(space: Space, chunk: Chunk, document: Document, vector: bytes | None) -> Point:
    found = words.terms(chunk.with_headings)
    return Point(
        id=point_id(space, chunk.pk),
        document=document.pk,
        sparse=words.sparse(found, average=space.average_terms),
        dense=None if vector is None else np.frombuffer(vector, dtype=np.float32),
        metadata=metadata_of(document),
    )


def metadata_of(document: Document) -> dict[str, Any]:
    """Its own fields, and what every document has; what somebody wrote wins."""
    known: dict[str, str | datetime] = {
        "document_name": document.name,
        "folder": document.folder,
        "added": document.created_at,
    }
    return {**known, **document.metadata}


def _settle_average(space: Space, chunks: Sequence[Chunk]) -> None:
    """Once for a space: all who write into it weigh alike."""
    if space.average_terms:
        return
    looked = chunks[:LOOKED_AT]
    total = sum(len(words.terms(chunk.text)) for chunk in looked)
    average = (total + USUAL_TERMS * USUAL_WEIGHT) / (len(looked) + USUAL_WEIGHT)
    Space.objects.filter(pk=space.pk, average_terms=0).update(average_terms=average)
    space.refresh_from_db(fields=["average_terms"])


def search(
    space: Space,
    *,
    question: str | None,
    vector: Sequence[float] | None,
    limit: int,
    filters: Filters | None = None,
) -> tuple[list[Hit], bool]:
    """By words where there is a `question`, by meaning where there is a vector. Whether all that is
    ready was searched is the second. IndexUnavailable."""
    # A server is told by the worker.
    is_whole = is_server() or _knows_all(space) or catch_up(space, within_s=WAIT_S)
    hits = the_index().search(
        place_of(space),
        dense=None if vector is None else np.asarray(vector, dtype=np.float32),
        sparse=words.sparse_query(words.terms(question)) if question is not None else None,
        limit=limit,
        filters=filters,
    )
    return hits, is_whole


def _knows_all(space: Space) -> bool:
    """Without a question to the database, as far as `space.base` was read just now."""
    return _cursor(the_index(), space) >= space.base.revision


def passages(base: Base, hits: Iterable[Hit]) -> list[Passage]:
    """In the order of `hits`; what was deleted or switched off in this very moment is left out."""
    found = {chunk_of(hit.chunk): hit for hit in hits}
    rows = Chunk.objects.order_by().filter(pk__in=found, document__base=base, is_enabled=True)
    # Columns alone: rows with their documents take twice as long.
    shown = rows.values(
        *("text", "document_id", "position", "start", "end", "page", "headings"),
        chunk_id=F("pk"),
        document_name=F("document__name"),
        metadata=F("document__metadata"),
    )
    columns = {each["chunk_id"]: each for each in shown}
    return [
        Passage(
            **columns[pk],
            score=hit.relevance,
            base_id=base.pk,
            base_name=base.name,
            stages=Stages(
                hit.dense_rank, hit.dense_score, hit.lexical_rank, hit.lexical_score, hit.score
            ),
        )
        for pk, hit in found.items()
        if pk in columns
    ]


def drop_on_server(space_id: UUID) -> None:
    """Of a space that nobody searches any more; embedded ones are each process' own affair."""
    if is_server():
        for dimension in (0, *_dimensions()):
            the_index().drop(Place(space_id, dimension))


def _dimensions() -> list[int]:
    rows = Space.objects.exclude(dimension=0).values_list("dimension", flat=True)
    return list(rows.distinct().order_by("dimension"))


def forget_index() -> None:
    """Close it; the next search opens it again. For tests, which have folders of their own."""
    if the_index.cache_info().currsize:
        close = getattr(the_index(), "close", None)
        if close is not None:
            close()
    the_index.cache_clear()


def drop_unknown() -> None:
    """Folders of an embedded index whose space is gone or was replaced."""
    kept = set(Space.objects.exclude(status=SpaceStatus.RETIRED).values_list("pk", flat=True))
    index: Any = the_index()
    for pk in index.spaces():
        if pk not in kept:
            index.drop(Place(pk, 0))
