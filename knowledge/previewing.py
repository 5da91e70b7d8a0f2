"""How a document would be cut with other settings, before anybody saves them."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from knowledge import bases
from knowledge.chunking import Chunk as Cut
from knowledge.chunking import ChunkSettings, chunks_of
from knowledge.models import Document
from knowledge.problems import explained
from knowledge.reading import Reader, Unreadable

logger = logging.getLogger(__name__)

SHOWN = 20
# Somebody waits for it, in a process that answers others as well.
WALL_S, CPU_S = 20.0, 15
AT_ONCE, PATIENCE_S = 2, 5.0
_places = threading.BoundedSemaphore(AT_ONCE)


@dataclass(frozen=True)
class Preview:
    """`chunks`: the first of `count`."""

    count: int
    average_chars: int
    chunks: Sequence[Cut]


def preview(*, document: Document, chunk_chars: int, overlap_chars: int) -> Preview:
    """The document is read anew, since only its file knows headings and tables. ValidationError
    keyed by field."""
    bases.check_cut(chunk_chars, overlap_chars)
    if not _places.acquire(timeout=PATIENCE_S):
        raise _refused(_("Others preview documents just now. Try again in a moment."))
    try:
        with Reader(WALL_S, CPU_S) as reader:
            parsed = reader.read(document.file, document.name)
    except Unreadable as problem:
        raise _refused(explained(problem.code, problem.params)) from problem
    except OSError as error:
        logger.exception("document %s: reading failed", document.pk)
        raise _refused(explained("disk", {"why": error.strerror or ""})) from error
    finally:
        _places.release()
    cuts = chunks_of(parsed, ChunkSettings(chunk_chars, overlap_chars))
    total = sum(len(cut.text) for cut in cuts)
    return Preview(len(cuts), round(total / (len(cuts) or 1)), cuts[:SHOWN])


def _refused(text: str) -> ValidationError:
    return ValidationError({"document": [text]})
