"""Where each record starts and ends: elements of a JSON array, or lines. Bounded memory."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from training.formats.problems import Refusal

MAX_RECORD_BYTES = 1024 * 1024
CONTINUATION = bytes(range(0x80, 0xC0))
# Up to the closing quote, a last lone backslash, or the end of what is there.
IN_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
INSIDE = re.compile(rb'["\[\]{}]')
AT_TOP = re.compile(rb'["\[\]{},]')
SPACE = re.compile(rb"[ \t\r\n]*+")


@dataclass(frozen=True)
class Piece:
    """The bytes of one record and its place; `payload` is None when it is too long to hold."""

    line: int
    column: int
    payload: bytes | None


@dataclass
class Scan:
    """How far into one JSON value the scanner is."""

    cursor: int
    depth: int = 0
    in_string: bool = False

    def reaches_end(self, buffer: bytes) -> bool:
        """Move on through `buffer`; whether the value ends in it, at `cursor`."""
        while self.cursor < len(buffer):
            if self.in_string:
                if not self._close_string(buffer):
                    return False
            elif self._passes_end(buffer):
                return True
        return False

    def _close_string(self, buffer: bytes) -> bool:
        found = IN_STRING.match(buffer, self.cursor)
        self.cursor = found.end() if found else self.cursor
        if buffer[self.cursor : self.cursor + 1] != b'"':
            return False
        self.cursor += 1
        self.in_string = False
        return True

    def _passes_end(self, buffer: bytes) -> bool:
        """Move behind the next mark outside strings; whether that ends the value."""
        found = (INSIDE if self.depth else AT_TOP).search(buffer, self.cursor)
        if found is None:
            self.cursor = len(buffer)
            return False
        mark = found.group()
        if self.depth == 0 and mark in b",]}":  # the separator behind a plain value
            self.cursor = found.start()
            return True
        self.cursor = found.end()
        if mark == b'"':
            self.in_string = True
            return False
        self.depth += 1 if mark in b"[{" else -1
        return self.depth == 0


class ArraySplitter:
    """Elements of one top-level array. Knows strings and brackets; the rest is the parser's."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.buffer = b""
        self.start = 0  # everything before it is consumed
        self.line = 1
        self.column = 1  # of the character at `start`

    def pieces(self) -> Iterator[Piece]:
        self._peek()
        self._consume(self.start + 1)  # the opening bracket
        if self._peek() == b"]":
            self._consume(self.start + 1)
        else:
            yield from self._elements()
        if self._peek():
            raise self._broken()

    def _elements(self) -> Iterator[Piece]:
        while True:
            if self._peek() in (b"", b",", b"]", b"}"):
                raise self._broken()
            yield self._element()
            mark = self._peek()
            if mark not in (b",", b"]"):
                raise self._broken()
            self._consume(self.start + 1)
            if mark == b"]":
                return

    def _element(self) -> Piece:
        """From `start` to the end of one value; too long ones are consumed as they pass."""
        line, column, is_long = self.line, self.column, False
        scan = Scan(self.start)
        while not scan.reaches_end(self.buffer):
            if scan.cursor - self.start > MAX_RECORD_BYTES:
                is_long = True
                self._consume(scan.cursor)
            held = scan.cursor - self.start
            if not self._fill():
                raise Refusal("cut_off", line=line, column=column)
            scan.cursor = self.start + held
        is_long = is_long or scan.cursor - self.start > MAX_RECORD_BYTES
        payload = None if is_long else self.buffer[self.start : scan.cursor]
        self._consume(scan.cursor)
        return Piece(line, column, payload)

    def _peek(self) -> bytes:
        """The next byte that is not space, left in place; b"" at the end of the file."""
        while True:
            found = SPACE.match(self.buffer, self.start)
            self._consume(found.end() if found else self.start)
            if self.start < len(self.buffer):
                return self.buffer[self.start : self.start + 1]
            if not self._fill():
                return b""

    def _fill(self) -> bool:
        chunk = next(self.chunks, b"")
        if chunk:
            self.buffer = self.buffer[self.start :] + chunk
            self.start = 0
        return bool(chunk)

    def _consume(self, end: int) -> None:
        passed = self.buffer[self.start : end]
        self.start = end
        newline = passed.rfind(b"\n")
        if newline >= 0:
            self.line += passed.count(b"\n")
            self.column = 1
            passed = passed[newline + 1 :]
        self.column += len(passed.translate(None, CONTINUATION))

    def _broken(self) -> Refusal:
        return Refusal("broken_json", line=self.line, column=self.column)


def lines_of(chunks: Iterator[bytes]) -> Iterator[Piece]:
    """Lines that are not blank, one record each."""
    line, rest, is_long = 1, b"", False
    for chunk in chunks:
        *whole, rest_of_chunk = chunk.split(b"\n")
        for part in whole:
            yield from _line(line, rest + part, is_long)
            line, rest, is_long = line + 1, b"", False
        rest += rest_of_chunk
        if len(rest) > MAX_RECORD_BYTES:
            rest, is_long = b"", True
    yield from _line(line, rest, is_long)


def _line(line: int, text: bytes, is_long: bool) -> Iterator[Piece]:
    stripped = text.strip(b" \t\r")
    if is_long or len(stripped) > MAX_RECORD_BYTES:
        yield Piece(line, 1, None)
    elif stripped:
        yield Piece(line, text.index(stripped) + 1, stripped)
