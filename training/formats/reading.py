"""The records of a file, one item each, as they stream by."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

import orjson

from training.formats.items import Item, too_long
from training.formats.nesting import expanded
from training.formats.problems import Problem, Refusal
from training.formats.prose import Split, blocks_of, lines_in, paragraphs_of
from training.formats.source import UTF8, chunks_of
from training.formats.splitting import MAX_RECORD_BYTES, ArraySplitter, Piece, lines_of
from training.formats.tables import rows_of


class Kind(StrEnum):
    """What a file is, by the ending of its name."""

    JSON = "json"
    LINES = "lines"
    TABLE = "table"
    PROSE = "prose"


SUFFIXES = {
    ".json": Kind.JSON,
    ".jsonl": Kind.LINES,
    ".csv": Kind.TABLE,
    ".tsv": Kind.TABLE,
    ".txt": Kind.PROSE,
}


@dataclass(frozen=True)
class Reading:
    """How a file is to be taken apart. `delimiter` "": found out; `quote` "": none is used;
    `rows`: the path to the records inside each JSON value, such as `data.paragraphs.qas`."""

    kind: Kind = Kind.JSON
    encoding: str = UTF8
    delimiter: str = ""
    quote: str = '"'
    has_header: bool = True
    split: Split = Split.PARAGRAPHS
    block_chars: int = 2000
    rows: str = ""


MAX_DIGITS = 4000
# A value that records lie inside of is held as a whole.
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
JSON, LINES = Reading(Kind.JSON), Reading(Kind.LINES)


def read_items(file: BinaryIO, reading: Reading) -> Iterator[Item]:
    """Every record from the start of `file`. Refusal when it cannot be read to its end."""
    file.seek(0)
    chunks = _from_content(chunks_of(file, reading.encoding))
    if reading.kind == Kind.TABLE:
        return rows_of(
            chunks,
            delimiter=reading.delimiter,
            quote=reading.quote,
            has_header=reading.has_header,
        )
    if reading.kind == Kind.PROSE:
        return _passages(chunks, reading)
    if reading.rows:
        return expanded(_documents(file, chunks), reading.rows)
    return _json_items(file, chunks, prefers_lines=reading.kind == Kind.LINES)


def _passages(chunks: Iterator[bytes], reading: Reading) -> Iterator[Item]:
    if reading.split == Split.BLOCKS:
        return blocks_of(chunks, reading.block_chars)
    return paragraphs_of(chunks) if reading.split == Split.PARAGRAPHS else lines_in(chunks)


def _json_items(file: BinaryIO, chunks: Iterator[bytes], *, prefers_lines: bool) -> Iterator[Item]:
    """The content decides between array and lines, whatever the name says. A line that is no JSON
    is a problem of that line, but in a file not named as lines a first line that is none means
    that the file is one JSON document over many lines."""
    head = next(chunks)
    chunks = itertools.chain([head], chunks)
    if head.lstrip().startswith(b"["):
        for piece in ArraySplitter(chunks).pieces():
            yield _array_item(piece)
        return
    is_first = not prefers_lines
    for piece in lines_of(chunks):
        item = _line_item(piece)
        if is_first and item.problem is not None and item.problem.code == "broken_line":
            raise _document_refusal(file)
        is_first = False
        yield item


def _documents(file: BinaryIO, chunks: Iterator[bytes]) -> Iterator[Item]:
    """The values that `Reading.rows` looks into: elements, lines, or the one object of a file."""
    head = next(chunks)
    chunks = itertools.chain([head], chunks)
    first, newline, _rest = head.lstrip().partition(b"\n")
    if first.startswith(b"[") or (newline and _is_object(first)):
        yield from _json_items(file, chunks, prefers_lines=True)
        return
    held = bytearray()
    for chunk in chunks:
        held += chunk
        if len(held) > MAX_DOCUMENT_BYTES:
            raise Refusal("document_too_large", limit_mb=MAX_DOCUMENT_BYTES // 1024**2)
    try:
        yield Item(1, parse(bytes(held)))
    except Problem as problem:
        yield Item(1, problem=problem)
    except json.JSONDecodeError as error:
        raise Refusal("broken_json", line=error.lineno, column=error.colno) from error


def first_value(file: BinaryIO, reading: Reading) -> Any:
    """The first value as it stands in the file, to look for records inside of it; None without."""
    file.seek(0)
    chunks = _from_content(chunks_of(file, reading.encoding))
    return next((item.value for item in _documents(file, chunks)), None)


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(parse(line), dict)
    except (Problem, ValueError):
        return False


def _from_content(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks, the first joined with blank ones before it, so that it has content."""
    blank: list[bytes] = []
    for chunk in chunks:
        if chunk.strip():
            yield b"".join(blank) + chunk
            yield from chunks
            return
        # Only line ends matter for what is counted later.
        blank.append(b"\n" * chunk.count(b"\n"))
    raise Refusal("empty_file")


def parse(payload: bytes) -> Any:
    """The JSON value; Problem where Python cannot hold it, JSONDecodeError where it is none.

    orjson is fast and strict; json also reads NaN, lone surrogates and whole numbers of any
    length, which matter only if they stand in a field that is used.
    """
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(payload.decode(), parse_int=_whole)
    except RecursionError as error:
        raise Problem("too_deep") from error


def _whole(text: str) -> int | float:
    """Python refuses to make a number of more digits; the trainer takes it for a float."""
    return int(text) if len(text) < MAX_DIGITS else float(text)


def _array_item(piece: Piece) -> Item:
    if piece.payload is None:
        return Item(piece.line, problem=too_long())
    try:
        return Item(piece.line, parse(piece.payload))
    except Problem as problem:
        return Item(piece.line, problem=problem)
    except json.JSONDecodeError as error:
        column = error.colno if error.lineno > 1 else piece.column + error.colno - 1
        line = piece.line + error.lineno - 1
        raise Refusal("broken_json", line=line, column=column) from error


def _line_item(piece: Piece) -> Item:
    if piece.payload is None:
        return Item(piece.line, problem=too_long())
    try:
        return Item(piece.line, parse(piece.payload))
    except Problem as problem:
        return Item(piece.line, problem=problem)
    except json.JSONDecodeError as error:
        column = piece.column + error.colno - 1
        return Item(piece.line, problem=Problem("broken_line", column=column))


def _document_refusal(file: BinaryIO) -> Refusal:
    """Why a file that is neither an array nor lines cannot be read: broken, or one object."""
    file.seek(0)
    head = file.read(MAX_RECORD_BYTES)
    is_whole = len(head) < MAX_RECORD_BYTES
    text = head.decode("utf-8-sig", "ignore")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        if is_whole or error.pos < len(text.rstrip()) - 1:
            return Refusal("broken_json", line=error.lineno, column=error.colno)
    except (RecursionError, ValueError):
        pass
    return Refusal("single_object")
