"""Images and text files that come with the questions of an export: in the conversation itself, or
in the ZIP beside it under names that begin with their id. What is in a file counts, not its name.
"""

import base64
import binascii
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from chat import pictures, text_files
from chat.importing.elements import WRONG, archive_of, is_zip

HEAD_BYTES = 1024
# Of ChatGPT: file-AbC123-photo.png, file_00ff-sanitized.dat, also in folders.
ID = re.compile(r"file[-_][A-Za-z0-9]+")
DATA_URL = re.compile(r"data:[\w/.+-]*(?:;[\w=.-]+)*;base64,", re.ASCII)
# What is text to nobody, although it may begin without a zero byte.
NO_TEXT = (b"%PDF", b"PK\x03\x04")

# Whether the file with this id is there, and can be taken.
Holds = Callable[[str], bool]


@dataclass(frozen=True)
class Enclosure:
    """A file of a question: what is in it, or its `id` in the ZIP."""

    name: str
    id: str = ""
    content: bytes = b""


def nothing(_id: str) -> bool:
    """An export without files beside it."""
    return False


def from_data_url(url: object, name: str) -> Enclosure | None:
    """None for any other address: those of the other platform lead nowhere from here."""
    found = DATA_URL.match(url) if isinstance(url, str) else None
    if not isinstance(url, str) or not found or len(url) > pictures.MAX_BYTES * 4 // 3 + 200:
        return None
    try:
        content = base64.b64decode(url[found.end() :])
    except (binascii.Error, ValueError):
        return None
    return Enclosure(name, content=content) if _is_usable(content, len(content)) else None


def from_text(text: str, name: str) -> Enclosure | None:
    """What the other platform has read from a document; its name then says that it is text."""
    content = text.encode("utf-8", "ignore")
    if not text.strip() or len(content) > text_files.MAX_BYTES:
        return None
    is_document = name.lower().endswith((".pdf", ".docx", ".doc", ".pptx", ".xlsx", ".xls"))
    return Enclosure(f"{name}.txt" if is_document else name, content=content)


def _is_usable(head: bytes, size_bytes: int) -> bool:
    """Worth to be tried; whether it is whole turns out when it is kept."""
    if pictures.is_picture(head):
        return size_bytes <= pictures.MAX_BYTES
    is_text = b"\0" not in head[:HEAD_BYTES] and not head.startswith(NO_TEXT)
    return is_text and 0 < size_bytes <= text_files.MAX_BYTES


class Enclosures:
    """The files of a ZIP by their ids; of what is no ZIP there are none. Raises Unreadable."""

    def __init__(self, file: BinaryIO) -> None:
        self._archive: zipfile.ZipFile | None = None
        self._by_id: dict[str, zipfile.ZipInfo] = {}
        self._usable: dict[str, bool] = {}
        if is_zip(file):
            self._archive = archive_of(file)
            for info in self._archive.infolist():
                found = ID.match(PurePosixPath(info.filename).name)
                if found and not info.flag_bits & 1:
                    self._by_id.setdefault(found[0], info)

    def holds(self, id: str) -> bool:
        info = self._by_id.get(id)
        if info is None:
            return False
        if id not in self._usable:
            self._usable[id] = _is_usable(self._read(info, HEAD_BYTES), info.file_size)
        return self._usable[id]

    def content(self, each: Enclosure) -> bytes:
        """Empty where it cannot be read."""
        info = self._by_id.get(each.id)
        return self._read(info, pictures.MAX_BYTES + 1) if info else each.content

    def _read(self, info: zipfile.ZipInfo, most_bytes: int) -> bytes:
        if self._archive is None:
            return b""
        try:
            with self._archive.open(info) as file:
                return file.read(most_bytes)
        except WRONG:
            return b""
