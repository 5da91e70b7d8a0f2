"""Tables of data (csv, xlsx): each row on a line with the names of its columns, so that it makes
sense without the others."""

import csv
import datetime
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetVisibleEnum

from knowledge.reading import archives, plain
from knowledge.reading.draft import Draft, one_line
from knowledge.reading.types import CSV, HEADING, PARAGRAPH, TABLE, XLSX, Parsed, Unreadable

MAIN = {"xl/workbook.xml", "xl/workbook.bin"}
DELIMITERS = ",;\t|"
SAMPLE = 64 * 1024
# Lines of one block; more would only need more memory.
ROWS = 1000


def load_csv(content: bytes) -> Parsed:
    text = plain.text_of(content)
    csv.field_size_limit(plain.MAX_BYTES)
    draft = Draft(CSV)
    try:
        _write(draft, csv.reader(io.StringIO(text), delimiter=_delimiter(text[:SAMPLE])))
    except csv.Error as error:
        raise Unreadable("broken") from error
    return draft.parsed()


def _delimiter(sample: str) -> str:
    """The one that most lines have equally often."""
    lines = [line for line in sample.split("\n") if line.strip()][:50]
    first = {sign: lines[0].count(sign) for sign in DELIMITERS} if lines else {}
    alike = {
        sign: sum(line.count(sign) == count for line in lines) * (count > 0)
        for sign, count in first.items()
    }
    return max(alike, key=lambda sign: alike[sign], default=",")


def load_xlsx(path: Path) -> Parsed:
    with archives.opened(path):
        pass
    draft = Draft(XLSX)
    try:
        with CalamineWorkbook.from_path(path) as book:
            for sheet in book.sheets_metadata:
                if sheet.visible == SheetVisibleEnum.Visible:
                    _write_sheet(draft, book, sheet.name)
    except PasswordError as error:
        raise Unreadable("encrypted") from error
    except CalamineError as error:
        raise Unreadable("broken") from error
    return draft.parsed()


def _write_sheet(draft: Draft, book: CalamineWorkbook, name: str) -> None:
    rows = book.get_sheet_by_name(name).iter_rows()
    kept = ([_said(value) for value in row] for row in rows)
    first = next((row for row in kept if any(row)), None)
    if first is not None:
        draft.add(HEADING, name, level=1)
        _write(draft, _chain(first, kept))


def _chain(first: list[str], rest: Iterable[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rest


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return str(value)


def _write(draft: Draft, rows: Iterable[list[str]]) -> None:
    """Lines before the first with two cells are what a table is called; that one is its head."""
    names: list[str] = []
    lines: list[str] = []
    for row in rows:
        cells = [one_line(cell) for cell in row]
        filled = [cell for cell in cells if cell]
        if names and filled:
            lines.append(_line(names, cells))
        elif len(filled) == 1:
            draft.add(PARAGRAPH, filled[0])
        elif filled:
            names = [cell or _letters(index) for index, cell in enumerate(cells)]
            lines.append("; ".join(names))
        if len(lines) == ROWS:
            draft.add(TABLE, "\n".join(lines))
            lines = []
    draft.add(TABLE, "\n".join(lines))


def _line(names: list[str], cells: list[str]) -> str:
    named = (
        f"{names[index] if index < len(names) else _letters(index)}: {cell}"
        for index, cell in enumerate(cells)
        if cell
    )
    return "; ".join(named)


def _letters(index: int) -> str:
    """A to Z, AA, …: how spreadsheets call a column."""
    said = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        said = chr(ord("A") + rest) + said
    return said
