"""Looking through a log of any length: by words, by level, a piece at a time."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q

from training.models import LogChunk
from training.streams import chunks_from

# A page waits no longer than this; it may ask for the rest.
BUDGET_S = 0.25
LEVELS = ("error", "warning", "info")
# What makes a line one of this level: its own mark, else the words of Python's own reports.
_PATTERNS = (
    (
        "error",
        re.compile(
            r"\b(ERROR|CRITICAL|FATAL)\b|^Traceback |^[\w.]*(Error|Exception|Interrupt)\b"
            r"|\bCUDA out of memory\b|\bKilled\b"
        ),
    ),
    ("warning", re.compile(r"\bWARN(ING)?\b|\b\w*Warning:")),
    ("info", re.compile(r"\bINFO\b")),
)
# Words at least one of which is in every line of the level: lets the database leave chunks out.
_WORDS = {
    "error": (
        *("error", "critical", "fatal", "traceback", "exception"),
        *("interrupt", "cuda out", "killed"),
    ),
    "warning": ("warn",),
    "info": ("info",),
}


def level_of(line: str) -> str:
    """error, warning, info, or nothing."""
    return next((level for level, pattern in _PATTERNS if pattern.search(line)), "")


@dataclass(frozen=True)
class Found:
    """`items`: {"line", "text", "level"}; `next`: the line to go on from; None at the end."""

    items: list[dict[str, Any]]
    next: int | None


def search(
    workload_id: UUID,
    *,
    words: str = "",
    level: str = "",
    after: int = 0,
    limit: int = 200,
    budget_s: float = BUDGET_S,
) -> Found:
    """Lines from `after` on with `words` in them (whatever their case), of this level."""
    deadline = time.monotonic() + budget_s
    found: list[dict[str, Any]] = []
    wanted = words.casefold()
    for chunk in _candidates(workload_id, words, level, after):
        if chunk.first + chunk.count <= after:
            continue
        for number, text in _lines(chunk, after):
            if wanted and wanted not in text.casefold():
                continue
            known = level_of(text)
            if level and known != level:
                continue
            if len(found) == limit:
                return Found(found, number)
            found.append({"line": number, "text": text, "level": known})
        if time.monotonic() > deadline:
            return Found(found, chunk.first + chunk.count)
    return Found(found, None)


def _lines(chunk: LogChunk, after: int) -> Iterator[tuple[int, str]]:
    for number, text in enumerate(chunk.text.split("\n")[: chunk.count], chunk.first):
        if number >= after:
            yield number, text


def _candidates(workload_id: UUID, words: str, level: str, after: int) -> Iterator[LogChunk]:
    """Only chunks that can hold a match. Databases differ in the case of what is not ASCII, so
    such words are looked for here alone."""
    chunks = chunks_from(workload_id, after)
    if words and words.isascii():
        chunks = chunks.filter(text__icontains=words)
    if level:
        wanted = Q()
        for word in _WORDS[level]:
            wanted |= Q(text__icontains=word)
        chunks = chunks.filter(wanted)
    return chunks.iterator(chunk_size=5)
