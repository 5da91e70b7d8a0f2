"""From the text of a document to the pieces of it that are searched.

A heading begins a chunk. Paragraphs are packed until a chunk is full; one that is too long is cut
where a sentence ends, and the next chunk repeats the last whole sentences. Tables and code stay
whole where they fit and are cut between lines where they do not.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge.reading.types import CODE, HEADING, MARKDOWN, TABLE, Block, Parsed

CLOSING = "”’\"'」』）)】》〉"
SENTENCE = re.compile(f"[。！？；…!?]+[{CLOSING}]*|\\.[{CLOSING}]*(?=\\s)")
EMPTY_LINE = re.compile(r"\n\s*\n")
CLAUSE = re.compile(r"[，、：,;:](?=\D)")
SPACE = re.compile(r"\s")
# What a text is cut at, the best first.
ENDS = (EMPTY_LINE, SENTENCE, re.compile("\n"), CLAUSE, SPACE)
LINE_ENDS = (re.compile("\n"), *ENDS)
SENTENCE_BEGIN = re.compile(f"(?:{SENTENCE.pattern}|\n)\\s*(?=\\S)")
MARKS = re.compile(r"^#{1,6}\s+|(?:\s+#+|\n[=-]+)\s*$")


@dataclass(frozen=True, slots=True)
class ChunkSettings:
    """`overlap_chars` is at most half of `chunk_chars`."""

    chunk_chars: int
    overlap_chars: int

    @property
    def overlap(self) -> int:
        return min(self.overlap_chars, self.chunk_chars // 2)


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text` is `start` to `end` of the document's text, with new lines for its form feeds; longer
    only where it begins with the repeated head of a table. `page`: where it starts, from 1; None
    where there are no pages."""

    text: str
    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()


def chunks_of(parsed: Parsed, settings: ChunkSettings) -> list[Chunk]:
    """In order. No chunk is longer than the settings say, and together they cover all of the text
    but space."""
    cutting = _Cutting(parsed, settings)
    for headings, blocks in _sections(parsed):
        cutting.cut(headings, blocks)
    return cutting.chunks


def _sections(parsed: Parsed) -> Iterator[tuple[tuple[str, ...], Sequence[Block]]]:
    """What stands under each heading, with it; a heading that only holds a lower one joins it."""
    path: list[tuple[int, str]] = []
    blocks: list[Block] = []
    for block in parsed.blocks:
        if block.kind == HEADING:
            is_lower = bool(path) and block.level > path[-1][0]
            if blocks and not (is_lower and blocks[-1].kind == HEADING):
                yield _titles(path), blocks
                blocks = []
            path = [each for each in path if each[0] < block.level]
            path.append((block.level, _title(parsed, block)))
        blocks.append(block)
    if blocks:
        yield _titles(path), blocks


def _titles(path: Sequence[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(title for _level, title in path if title)


def _title(parsed: Parsed, block: Block) -> str:
    said = parsed.text[block.start : block.end]
    if parsed.media_type == MARKDOWN:
        said = MARKS.sub("", said)
    return " ".join(said.split())[:200]


class _Cutting:
    """The chunk being filled is `start` to `end` of the text; up to `fresh` it repeats the one
    before; behind `floor` nothing may be repeated."""

    def __init__(self, parsed: Parsed, settings: ChunkSettings) -> None:
        self.chunks: list[Chunk] = []
        self._text = parsed.text
        self._pages = parsed.pages
        self._size = max(1, settings.chunk_chars)
        self._overlap = settings.overlap
        self._headings: tuple[str, ...] = ()
        self._start = self._end = self._fresh = self._floor = 0

    def cut(self, headings: tuple[str, ...], blocks: Sequence[Block]) -> None:
        self._headings = headings
        self._begin(blocks[0].start)
        is_bare = True  # nothing but headings so far
        for block in blocks:
            if block.kind in (TABLE, CODE):
                self._add_lines(block, is_bare)
            else:
                self._add_text(block)
            if block.kind == HEADING:
                self._floor = block.end
            else:
                is_bare = False
        self._close()

    def _begin(self, at: int) -> None:
        self._start = self._end = self._fresh = self._floor = at

    def _fits(self, block: Block) -> bool:
        return block.end - block.start <= self._size

    def _add_text(self, block: Block) -> None:
        at = block.start
        while block.end - self._start > self._size:
            is_whole = at == block.start and self._fits(block)
            if is_whole and self._end <= self._fresh:  # only repeated: not worth a cut
                self._start = self._fresh = at
                break
            if is_whole and 2 * (self._end - self._start) >= self._size:
                self._close()
                self._repeat(at)
                continue
            at = self._end = _end(self._text, max(at, self._fresh), self._start + self._size, ENDS)
            self._close()
            self._repeat(at)
        self._end = block.end

    def _add_lines(self, block: Block, is_bare: bool) -> None:
        """A table or code."""
        if block.end - self._start <= self._size and self._end > self._fresh:
            self._end = self._floor = block.end
            return
        if not is_bare or self._end <= self._fresh:
            self._close()
            self._begin(block.start)
        head = self._head(block)
        lead = ""
        while block.end - self._start + len(lead) > self._size:
            low = max(block.start, self._start) + (0 if lead else len(head))
            room = self._start + self._size - len(lead)
            at = self._end = _end(self._text, min(low, room - 1), room, LINE_ENDS)
            self._close(lead)
            self._begin(at)
            lead = head
        self._end = self._floor = block.end
        if lead:
            self._close(lead)
            self._begin(block.end)

    def _head(self, block: Block) -> str:
        """The first lines of a table with their line break; nothing where they are too long."""
        if block.kind != TABLE or not block.level:
            return ""
        at = block.start
        for _line in range(block.level):
            at = self._text.find("\n", at, block.end) + 1
            if not at:
                return ""
        return self._text[block.start : at] if 2 * (at - block.start) <= self._size else ""

    def _repeat(self, at: int) -> None:
        """Begin at `at`, or where the last whole sentences before it begin."""
        last = self.chunks[-1].start + 1 if self.chunks else 0
        low = max(at - self._overlap - 1, self._floor, last)
        found = SENTENCE_BEGIN.search(self._text, low, at) if self._overlap and low < at else None
        self._start = found.end() if found else at
        self._end = self._fresh = at

    def _close(self, lead: str = "") -> None:
        """Write the chunk down, if it says anything that the one before does not."""
        if not self._text[self._fresh : self._end].strip():
            return
        part = self._text[self._start : self._end]
        start = self._start + len(part) - len(part.lstrip())
        said = part.strip()
        page = bisect_right(self._pages, start) if self._pages else None
        text = lead + (said.replace("\f", "\n") if self._pages else said)
        self.chunks.append(Chunk(text, start, start + len(said), page, self._headings))


def _end(text: str, low: int, room: int, ends: Sequence[re.Pattern[str]]) -> int:
    """Where to cut between `low` and `room`: text not in the first third of it, lines anywhere."""
    begin = low + 1 if ends is LINE_ENDS else max(low + 1, low + (room - low) // 3)
    for pattern in ends:
        last = 0
        for found in pattern.finditer(text, begin, room):
            last = found.end()
        if last > low:
            return last
    return room
