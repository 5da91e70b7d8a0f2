"""CSV and its relatives: a record for each row, its cells by the names in the first one."""

import codecs
import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from training.formats.items import Item, too_long
from training.formats.problems import Problem, Refusal, short
from training.formats.splitting import MAX_RECORD_BYTES

DELIMITERS = (",", "\t", ";", "|")
PROBED_LINES = 200
PROBED_CHARS = 64 * 1024
MAX_COLUMNS = 1000
# For the whole process; nothing else in it reads CSV. The default is 128 KiB a cell.
csv.field_size_limit(MAX_RECORD_BYTES)


class Long(str):
    """Stands for a line that is too long to hold: its end, and what its quotation marks do."""

    __slots__ = ()


@dataclass
class Lines:
    """Text lines with their ends, as the csv module wants them."""

    chunks: Iterator[bytes]
    quote: str

    def __post_init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._lines = self._read()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._lines)

    def _read(self) -> Iterator[str]:
        rest, quotes = "", None
        for chunk in self.chunks:
            whole = _split(rest + self._decoder.decode(chunk))
            rest = whole.pop()
            for line in whole:
                yield self._line(line, quotes)
                quotes = None
            if len(rest) > MAX_RECORD_BYTES:
                quotes = (quotes or 0) + self._quotes(rest)
                rest = ""
        for line in _split(f"{rest}\n")[:-1] if rest or quotes is not None else ():
            yield self._line(line, quotes)

    def _line(self, line: str, quotes: int | None) -> str:
        if quotes is None and len(line) <= MAX_RECORD_BYTES:
            return line
        is_odd = ((quotes or 0) + self._quotes(line)) % 2
        return Long(f"{self.quote if is_odd else ''}\n")

    def _quotes(self, text: str) -> int:
        return text.count(self.quote) if self.quote else 0


def _split(text: str) -> list[str]:
    """Lines with their ends; the last is what has no end yet, or may have half of one."""
    lines = text.replace("\r\n", "\n").split("\n")
    last = lines.pop()
    ended = [f"{line}\n" for line in lines]
    found = [part for line in ended for part in _old_ends(line)]
    if "\r" in last:
        *more, last = last.split("\r") if not last.endswith("\r") else [last]
        found += [f"{line}\n" for line in more]
    return [*found, last]


def _old_ends(line: str) -> list[str]:
    """A line end of old Macintosh files is one too."""
    return [f"{part}\n" for part in line[:-1].split("\r")] if "\r" in line else [line]


def rows_of(
    chunks: Iterator[bytes], *, delimiter: str, quote: str, has_header: bool
) -> Iterator[Item]:
    """Refusal when the first row names no columns or a quotation mark is never closed."""
    lines = Lines(chunks, quote)
    head = _head(lines)
    delimiter = delimiter or guess_delimiter(head, quote)
    feed = _Feed(itertools.chain(head, lines))
    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(feed, delimiter=delimiter, strict=True, **options)
    rows = _rows(reader, feed)
    first = next(rows, None)
    if first is None:
        raise Refusal("empty_file")
    names = _header(first) if has_header else _numbered(first)
    if not has_header:
        rows = itertools.chain([first], rows)
    for line, cells, problem in rows:
        if problem is None and len(cells) != len(names):
            problem = Problem("cell_count", expected_cells=len(names), found_cells=len(cells))
        if problem is not None:
            yield Item(line, problem=problem)
        else:
            yield Item(line, dict(zip(names, cells, strict=True)))


class _Feed:
    """The lines for the csv module. `skipped`: one of those since the last row was too long."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.skipped = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self.lines)
        self.skipped = self.skipped or isinstance(line, Long)
        return line


def _head(lines: Lines) -> list[str]:
    found: list[str] = []
    size = 0
    for line in lines:
        found.append(line)
        size += len(line)
        if len(found) >= PROBED_LINES or size > PROBED_CHARS:
            break
    return found


Row = tuple[int, list[str], Problem | None]


def _rows(reader: Iterator[list[str]], feed: _Feed) -> Iterator[Row]:
    """Rows that are not blank, with the line where each starts."""
    while True:
        start: int = reader.line_num + 1  # type: ignore[attr-defined]
        feed.skipped = False
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, [], _problem(error, start)
            continue
        if feed.skipped or sum(map(len, cells)) > MAX_RECORD_BYTES:
            yield start, [], too_long()
        elif any(cells) or len(cells) > 1:
            yield start, cells, None


def _problem(error: csv.Error, line: int) -> Problem:
    """What is wrong with one row; Refusal where all that follows is lost."""
    if "expected after" in str(error):
        return Problem("stray_quote")
    raise Refusal("open_quote", line=line) from error


def guess_delimiter(head: list[str], quote: str) -> str:
    """The mark by which the rows at the beginning have most cells, and the same number."""
    lines = [line for line in head if not isinstance(line, Long)]
    options = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    scores: dict[str, tuple[int, int]] = {}
    for mark in DELIMITERS:
        rows = csv.reader(lines, delimiter=mark, **options)
        try:
            counts = Counter(len(row) for row in rows if row)
        except csv.Error:
            continue
        cells, often = max(counts.items(), key=lambda pair: (pair[1], pair[0]), default=(0, 0))
        scores[mark] = (often, cells) if cells > 1 else (0, 0)
    return max(scores, key=lambda mark: scores[mark], default=",")


def _header(first: Row) -> list[str]:
    _line, cells, problem = first
    if problem is not None:
        raise Refusal("header_unreadable")
    if len(cells) > MAX_COLUMNS:
        raise Refusal("too_many_columns", found=len(cells), limit=MAX_COLUMNS)
    names = [cell.strip() for cell in cells]
    for number, name in enumerate(names, start=1):
        if not name:
            raise Refusal("header_empty", column=number)
        if name in names[: number - 1]:
            raise Refusal("header_twice", field=short(name))
    return names


def _numbered(first: Row) -> list[str]:
    """Names for the columns of a file that gives none."""
    if len(first[1]) > MAX_COLUMNS:
        raise Refusal("too_many_columns", found=len(first[1]), limit=MAX_COLUMNS)
    return [f"column{number}" for number in range(1, len(first[1]) + 1)]
