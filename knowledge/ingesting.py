"""From a file to what is searched: read, cut, embedded, numbered as a change of its base.

The row holds the state (see Document). Whoever works on a document has its fence, a number that no
other claim of it ever has; a document whose worker has died is found by its heartbeat. An attempt
writes chunks of an edition of its own, its fence, so that the former one answers until the last
moment, one that died leaves nothing, and one that comes back too late touches no other's.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from knowledge import changes, embedding, queues
from knowledge.chunking import Chunk as Cut
from knowledge.chunking import ChunkSettings, chunks_of
from knowledge.models import Chunk, Document, DocumentStatus, Space, SpaceStatus, Stage, Vector
from knowledge.reading import Parsed, Reader, Unreadable
from providers.errors import ProviderError

logger = logging.getLogger(__name__)

# Of a busy provider, with waits that double: about an hour.
MAX_WAITS = 10
# Rows in one statement; SQLite's other writers wait for each.
ROWS = 500
# The longest that a provider may let a document wait before it is tried again.
MAX_WAIT = timedelta(minutes=10)


class Superseded(Exception):
    """The document was deleted, is to be read again, or somebody else has it now."""


def claim() -> Document | None:
    """The next document, now in work here."""
    for pk in queues.documents().values_list("pk", flat=True)[:20]:
        rows = Document.objects.filter(pk=pk, status=DocumentStatus.PENDING)
        if rows.update(
            status=DocumentStatus.PROCESSING,
            stage=Stage.READING,
            fence=F("fence") + 1,
            attempt=F("attempt") + 1,
            heartbeat_at=Now(),
            not_before=None,
            done=0,
            total=0,
        ):
            return Document.objects.select_related("base").get(pk=pk)
    return None


def ingest(document: Document, reader: Reader) -> None:
    """The attempt that `document` is in; its end is written whatever happens."""
    try:
        _attempt(document, reader)
    except Superseded:
        logger.info("document %s: given up; it is gone or begun anew", document.pk)
    except Unreadable as problem:
        _fail(document, problem.code, problem.params)
    except ProviderError as error:
        _put_off(document, error)
    except OSError as error:
        logger.exception("document %s: reading or writing failed", document.pk)
        _fail(document, "disk", {"why": error.strerror or ""})
    except Exception:  # whatever it is: a person waits for an end
        logger.exception("document %s: failed", document.pk)
        _fail(document, "internal", {})
    finally:
        _forget_chunks(document)


def tell(document: Document, **values: Any) -> None:
    """Raises Superseded. Every word to the database also asks whether to go on."""
    rows = Document.objects.filter(
        pk=document.pk, status=DocumentStatus.PROCESSING, fence=document.fence
    )
    if not rows.update(heartbeat_at=Now(), **values):
        raise Superseded
    for name, value in values.items():
        setattr(document, name, value)


def _attempt(document: Document, reader: Reader) -> None:
    parsed = reader.read(document.file, document.name)
    tell(document, stage=Stage.CHUNKING)
    base = document.base
    cuts = chunks_of(parsed, ChunkSettings(base.chunk_chars, base.overlap_chars))
    if not cuts:
        raise Unreadable("no_text")
    _keep_text(document, parsed.text)
    edition = _write_chunks(document, cuts)
    while True:
        space = _embed(document, edition)
        if _finish(document, edition, parsed, space, len(cuts)):
            return


def _keep_text(document: Document, text: str) -> None:
    """At once: somebody may look at the former one in this moment."""
    coming = document.text_file.with_suffix(f".text{document.fence}")
    try:
        coming.write_text(text, encoding="utf-8", newline="")
        coming.replace(document.text_file)
    finally:
        coming.unlink(missing_ok=True)


def _write_chunks(document: Document, cuts: Sequence[Cut]) -> int:
    """The edition that they are."""
    _forget_chunks(document)
    edition = document.fence
    tell(document, stage=Stage.INDEXING, done=0, total=len(cuts))
    rows = (
        Chunk(
            document=document,
            edition=edition,
            position=position,
            text=cut.text,
            start=cut.start,
            end=cut.end,
            page=cut.page,
            headings=list(cut.headings),
        )
        for position, cut in enumerate(cuts)
    )
    for begin in range(0, len(cuts), ROWS):
        Chunk.objects.bulk_create(list(islice(rows, ROWS)))
        tell(document, done=min(begin + ROWS, len(cuts)))
    return edition


def _forget_chunks(document: Document) -> None:
    """Those of every edition but the one that is searched, a few at a time; what is above this
    attempt's fence is being written by another."""
    current = Document.objects.filter(pk=document.pk).values_list("edition", flat=True).first()
    others = Chunk.objects.filter(document_id=document.pk, edition__lte=document.fence)
    if current is not None:
        others = others.exclude(edition=current)
    while pks := list(others.values_list("pk", flat=True)[:ROWS]):
        Chunk.objects.filter(pk__in=pks).delete()


def _embed(document: Document, edition: int) -> Space | None:
    """With the model of the space that answers now, which it returns."""
    space = (
        Space.objects.filter(base=document.base_id, status=SpaceStatus.LIVE)
        .select_related("embedding_model__provider", "base__owner")
        .first()
    )
    if space is None or space.is_lexical:
        return space
    rows = Chunk.objects.filter(document=document.pk, edition=edition)
    missing = rows.exclude(vectors__space=space).order_by("position")
    tell(document, stage=Stage.EMBEDDING, done=0, total=missing.count())
    for batch in _batches(missing):
        write_vectors(space, batch)
        tell(document, done=document.done + len(batch))
    return space


def _batches(rows: Any) -> Iterator[list[Chunk]]:
    while batch := list(rows[: embedding.BATCH]):
        yield batch


def write_vectors(space: Space, chunks: Sequence[Chunk]) -> None:
    """Embed `chunks` and keep what comes. ProviderError."""
    vectors = embedding.of_chunks(space, chunks)
    Vector.objects.bulk_create(
        [
            Vector(space=space, chunk=chunk, data=vector)
            for chunk, vector in zip(chunks, vectors, strict=True)
        ],
        ignore_conflicts=True,
    )


def _finish(
    document: Document, edition: int, parsed: Parsed, space: Space | None, count: int
) -> bool:
    """False where another space answers by now: then its vectors are missing."""
    with transaction.atomic():
        base = changes.locked(document.base_id)
        if space is not None and base.live_space_id != space.pk:
            return False
        tell(
            document,
            status=DocumentStatus.READY,
            stage="",
            edition=edition,
            media_type=parsed.media_type,
            title=parsed.title[:300],
            pages=len(parsed.pages),
            characters=len(parsed.text),
            chunk_count=count,
            notes=[{"code": note.code, "params": dict(note.params)} for note in parsed.notes],
            error_code="",
            error_params={},
            ready_at=timezone.now(),
        )
        changes.note(document.base_id, [document.pk])
    return True


def _fail(document: Document, code: str, params: dict[str, Any]) -> None:
    try:
        tell(
            document,
            status=DocumentStatus.FAILED,
            stage="",
            error_code=code[:40],
            error_params=params,
        )
    except Superseded:
        logger.info("document %s: given up; it is gone or begun anew", document.pk)


def _put_off(document: Document, error: ProviderError) -> None:
    """What may pass is tried again, after longer each time; that is no attempt of ours."""
    said = embedding.wait_of(error)
    if said is None or document.waits >= MAX_WAITS:
        _fail(document, "embedding_failed", {"why": embedding.explain(error)})
        return
    wait = min(max(said, embedding.WAIT * 2**document.waits), MAX_WAIT)
    try:
        tell(
            document,
            status=DocumentStatus.PENDING,
            stage="",
            not_before=timezone.now() + wait,
            attempt=document.attempt - 1,
            waits=document.waits + 1,
        )
    except Superseded:
        logger.info("document %s: given up; it is gone or begun anew", document.pk)
