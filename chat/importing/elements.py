"""The conversations of a file, one after the other: a list of any length in little memory.

A file is JSON (one object, or a list of them) or a ZIP with such files in it.
"""

import codecs
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

CHUNK_BYTES = 1024**2
# Of one conversation. What is longer is skipped; with the largest a process takes some 200 MB.
ELEMENT_MAX_CHARS = 16 * 1024**2
UNPACKED_MAX_BYTES = 2 * 1024**3
ZIP_MAX_FILES = 50_000
# The list of a ZIP's files, which is read as a whole.
ZIP_DIRECTORY_MAX_BYTES = 16 * 1024**2
END_OF_ZIP, END_OF_ZIP64 = b"PK\x05\x06", b"PK\x06\x07"
CHATS = re.compile(r"(^|/)(conversations(-\d+)?|chats?[^/]*|.*chat-export[^/]*)\.json$", re.I)
MARK = re.compile(r'\\.|["{}\[\]]', re.S)
BLANK = re.compile(r"[ \t\r\n]*")
WRONG = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
DECODER = json.JSONDecoder(parse_constant=lambda _name: None)


class Unreadable(Exception):
    """The whole file is no use; `code` is explained in texts.py."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.code, self.values = code, values


@dataclass(frozen=True)
class Element:
    """`value` None: longer than ELEMENT_MAX_CHARS. `line` is where it begins, from 1."""

    value: Any
    line: int
    is_large: bool = False


@dataclass(frozen=True)
class Part:
    """One JSON file."""

    name: str
    size_bytes: int
    open: Callable[[], BinaryIO]


def parts_of(file: BinaryIO) -> list[Part]:
    """Raises Unreadable."""
    if is_zip(file):
        return _zipped(file)
    size = file.seek(0, io.SEEK_END)
    if not size:
        raise Unreadable("empty")

    def beginning() -> BinaryIO:
        file.seek(0)
        return file

    return [Part("", size, beginning)]


def _zipped(file: BinaryIO) -> list[Part]:
    archive = archive_of(file)
    found = [each for each in archive.infolist() if _is_wanted(each)]
    named = [each for each in found if CHATS.search(each.filename)]
    chosen = sorted(named or found, key=lambda each: each.filename)
    if not chosen:
        raise Unreadable("zip_without")
    if sum(each.file_size for each in chosen) > UNPACKED_MAX_BYTES:
        raise Unreadable("unpacked", limit_gb=UNPACKED_MAX_BYTES // 1024**3)
    if any(each.flag_bits & 1 for each in chosen):
        raise Unreadable("zip_locked")
    return [_part(archive, each) for each in chosen]


def archive_of(file: BinaryIO) -> zipfile.ZipFile:
    """Raises Unreadable."""
    _check_directory(file)
    try:
        return zipfile.ZipFile(file)
    except WRONG as error:
        raise Unreadable("zip_broken") from error


def is_zip(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) == b"PK\x03\x04"


def _part(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Part:
    def opened() -> BinaryIO:
        return cast(BinaryIO, archive.open(info))

    return Part(PurePosixPath(info.filename).name, info.file_size, opened)


def _is_wanted(info: zipfile.ZipInfo) -> bool:
    name = info.filename
    return name.endswith(".json") and not name.startswith("__MACOSX/") and not info.is_dir()


def _check_directory(file: BinaryIO) -> None:
    """Before the list is read: a small file may say that millions are in it."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 66_000))
    tail = file.read()
    at = tail.rfind(END_OF_ZIP)
    if at < 0 or len(tail) - at < 22:
        raise Unreadable("zip_broken")
    count = int.from_bytes(tail[at + 10 : at + 12], "little")
    directory_bytes = int.from_bytes(tail[at + 12 : at + 16], "little")
    is_64 = tail[max(0, at - 20) : at].startswith(END_OF_ZIP64)
    if is_64 or count > ZIP_MAX_FILES or directory_bytes > ZIP_DIRECTORY_MAX_BYTES:
        raise Unreadable("zip_files", limit=ZIP_MAX_FILES)


def elements(part: Part, reached: Callable[[int], None]) -> Iterator[Element]:
    """`reached` is told how many bytes were read. Raises Unreadable where the JSON is wrong."""
    try:
        file = part.open()
    except WRONG as error:
        raise Unreadable("zip_broken") from error
    source = _Source(file, reached)
    first = source.next()
    if first == "{":
        yield source.value()
    elif first == "[":
        yield from _listed(source)
    else:
        raise source.wrong("no_chats")
    if source.next():
        raise source.wrong("json")


def _listed(source: "_Source") -> Iterator[Element]:
    source.at += 1
    if source.next() == "]":
        source.at += 1
        return
    while True:
        yield source.value()
        mark = source.next()
        if mark not in (",", "]"):
            raise source.wrong("json")
        source.at += 1
        if mark == "]":
            return


class _Source:
    """Text of the file from `at` on, and how many lines were before it."""

    def __init__(self, file: BinaryIO, reached: Callable[[int], None]) -> None:
        self._file, self._reached, self._read_bytes = file, reached, 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._is_ended = False
        self.text, self.at, self.lines = "", 0, 0

    def wrong(self, code: str, at: int | None = None) -> Unreadable:
        place = self.at if at is None else at
        line = self.lines + self.text.count("\n", 0, place) + 1
        column = place - self.text.rfind("\n", 0, place)
        return Unreadable(code, line=line, column=column)

    def _fill(self, n_bytes: int = 0) -> bool:
        """More text behind what is there; False at the end."""
        if self._is_ended:
            return False
        self.lines += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :], 0
        try:
            raw = self._file.read(n_bytes or CHUNK_BYTES)
            self.text += self._decoder.decode(raw, final=not raw)
            self._read_bytes += len(raw)
        except UnicodeDecodeError as error:
            raise self.wrong("encoding", len(self.text)) from error
        except WRONG as error:
            raise Unreadable("zip_broken") from error
        self._reached(self._read_bytes)
        self._is_ended = not raw
        return not self._is_ended

    def next(self) -> str:
        """The next character that is not blank, which `at` points at; empty at the end."""
        while True:
            blank = BLANK.match(self.text, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._fill():
                return ""

    def value(self) -> Element:
        self.next()
        while True:
            line = self.lines + self.text.count("\n", 0, self.at) + 1
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except RecursionError as error:
                raise self.wrong("deep") from error
            except json.JSONDecodeError as error:
                if self._is_ended or not self._may_go_on(error):
                    raise self.wrong("json", error.pos) from error
            except ValueError as error:  # a number of thousands of digits
                raise self.wrong("json") from error
            else:
                if end < len(self.text) or self._is_ended:
                    self.at = end
                    return Element(value, line)
            if len(self.text) - self.at > ELEMENT_MAX_CHARS:
                self._skip()
                return Element(None, line, is_large=True)
            self._fill(max(CHUNK_BYTES, len(self.text) - self.at))

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """The text is only cut where the next piece begins."""
        return error.msg.startswith("Unterminated") or error.pos > len(self.text) - 16

    def _skip(self) -> None:
        """Behind the value that `at` points at, without keeping it."""
        depth, is_text = 0, False
        while True:
            for mark in MARK.finditer(self.text, self.at):
                char = mark[0]
                if char == '"':
                    is_text = not is_text
                elif not is_text and char in "{[":
                    depth += 1
                elif not is_text and char in "}]":
                    depth -= 1
                    if depth == 0:
                        self.at = mark.end()
                        return
            is_cut = (len(self.text) - len(self.text.rstrip("\\"))) % 2
            self.at = len(self.text) - is_cut
            if not self._fill():
                raise self.wrong("json")
