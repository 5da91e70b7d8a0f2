"""The records of a JSON array or of JSON lines, one item each, as they stream by."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson

from training.formats.problems import Problem, Refusal
from training.formats.source import chunks_of
from training.formats.splitting import MAX_RECORD_BYTES, ArraySplitter, Piece, lines_of


@dataclass(frozen=True)
class Item:
    """A value of the file, or why there is none; `line` is where it starts."""

    line: int
    value: Any = None
    problem: Problem | None = None


def read_items(file: BinaryIO, *, prefers_lines: bool) -> Iterator[Item]:
    """Every record from the start of `file`. Refusal when it cannot be read to its end.

    The content decides between array and lines, whatever the name says. A line that is no JSON is
    a problem of that line, but in a file not named as lines (`prefers_lines`) a first line that is
    none means that the file is one JSON document over many lines.
    """
    file.seek(0)
    chunks = _from_content(chunks_of(file))
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
        return json.loads(payload.decode())
    except RecursionError as error:
        raise Problem("too_deep") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise Problem("number_too_long") from error


def _array_item(piece: Piece) -> Item:
    if piece.payload is None:
        return Item(piece.line, problem=_too_long())
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
        return Item(piece.line, problem=_too_long())
    try:
        return Item(piece.line, parse(piece.payload))
    except Problem as problem:
        return Item(piece.line, problem=problem)
    except json.JSONDecodeError as error:
        column = piece.column + error.colno - 1
        return Item(piece.line, problem=Problem("broken_line", column=column))


def _too_long() -> Problem:
    return Problem("too_long", limit_kb=MAX_RECORD_BYTES // 1024)


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
