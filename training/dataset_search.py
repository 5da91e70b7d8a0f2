"""Finding text in a dataset of any size: a scan of the file that stops in time and says where to go
on. Nothing has to be built or kept; a disk page read once is in memory for the next search.

Capital and small letters are the same for ASCII; for other alphabets the word as typed, in small
and in capital letters is found.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from training.dataset_files import Records
from training.formats.detection import layout_of
from training.formats.layouts import Layout
from training.models import Dataset

BLOCK_BYTES = 1024 * 1024
BUDGET_S = 0.2
HITS_A_PAGE = 10
MAX_QUERY_CHARS = 200


@dataclass
class Found:
    """`hits`: (number from 1, record). `cursor` goes on behind them; None: that was all."""

    hits: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    cursor: str | None = None
    searched_bytes: int = 0
    size_bytes: int = 0

    @property
    def percent(self) -> int:
        return 100 * self.searched_bytes // self.size_bytes if self.size_bytes else 100


def search(
    dataset: Dataset,
    query: str,
    *,
    cursor: str = "",
    limit: int = HITS_A_PAGE,
    budget_s: float = BUDGET_S,
) -> Found:
    """Records in which `query` stands. ValueError for a cursor that is none."""
    offset, number = _read_cursor(cursor)
    found = Found(searched_bytes=offset, size_bytes=dataset.size_bytes)
    query = query[:MAX_QUERY_CHARS]
    if not query or not dataset.has_file:
        found.searched_bytes = found.size_bytes
        return found
    scan = _Scan(query, layout_of(dataset.format, dataset.layout), time.monotonic() + budget_s)
    with dataset.file.open("rb") as file:
        file.seek(offset)
        for end, last, hit in scan.run(file, offset, number):
            found.searched_bytes, number = end, last
            if hit is not None:
                found.hits.append((last, hit))
            if len(found.hits) >= limit or (hit is None and scan.is_late()):
                break
    if found.searched_bytes < dataset.file.stat().st_size:
        found.cursor = f"{found.searched_bytes}-{number}"
    return found


def _read_cursor(cursor: str) -> tuple[int, int]:
    """Where to go on, and how many records are before that."""
    if not cursor:
        return 0, 0
    offset, _dash, number = cursor.partition("-")
    if not (offset.isdecimal() and number.isdecimal() and len(cursor) < 40):
        raise ValueError("not a cursor")
    return int(offset), int(number)


class _Scan:
    def __init__(self, query: str, layout: Layout, deadline: float) -> None:
        self.words = {query.lower(), query.upper(), query}
        # As it stands in the file: quotation marks and line ends are escaped there.
        self.needles = {_lower(orjson.dumps(word)[1:-1]) for word in self.words}
        self.layout = layout
        self.deadline = deadline

    def is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def run(
        self, file: BinaryIO, offset: int, number: int
    ) -> Iterator[tuple[int, int, dict[str, Any] | None]]:
        """(end, number of the last record before it, hit or None): after each hit, and each block
        of whole lines."""
        while block := file.read(BLOCK_BYTES):
            block += file.readline()
            lowered, start = block.lower(), 0
            while (line := self._next(block, lowered, start)) is not None:
                begin, end = line
                number += block.count(b"\n", start, begin) + 1
                record = orjson.loads(block[begin:end])
                start = end
                if self._says(record):
                    yield offset + end, number, record
                elif self.is_late():
                    yield offset + end, number, None
            number += block.count(b"\n", start)
            offset += len(block)
            yield offset, number, None

    def _next(self, block: bytes, lowered: bytes, start: int) -> tuple[int, int] | None:
        """The next line with a needle in it, names of columns included."""
        places = [place for needle in self.needles if (place := lowered.find(needle, start)) >= 0]
        if not places:
            return None
        place = min(places)
        end = block.find(b"\n", place) + 1 or len(block)
        return block.rfind(b"\n", 0, place) + 1, end

    def _says(self, record: Mapping[str, Any]) -> bool:
        text = "\n".join(turn.text for turn in self.layout.turns(record))
        lowered = text.lower()
        return any(word.lower() in lowered for word in self.words)


def _lower(text: bytes) -> bytes:
    """ASCII letters only: bytes of other characters stay what they are."""
    return text.lower()


def record_at(dataset: Dataset, number: int) -> dict[str, Any] | None:
    """One record by its number (from 1)."""
    found = Records(dataset.file, dataset.records)[number - 1 : number] if number > 0 else []
    return found[0] if found else None
