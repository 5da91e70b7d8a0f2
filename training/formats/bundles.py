"""A ZIP with one data file and the pictures that it names, read where it lies.

Nothing is unpacked: the data file streams by, and a picture is read when a record names it. What a
ZIP says about itself is checked before anything in it is read; a file cannot give more than what
it has announced.
"""

import contextlib
import posixpath
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import BinaryIO

from training.formats.problems import Problem, Refusal, names_of, short

SUFFIX = ".zip"
DATA_SUFFIXES = (".json", ".jsonl", ".csv", ".tsv")
# LLaMA-Factory's own list of datasets, which people pack along.
NO_DATA = {"dataset_info.json"}
MAX_FILES = 100_000
MAX_DIRECTORY_BYTES = 64 * 1024**2
# Pictures hardly shrink: what grows this much is no collection of them.
MAX_RATIO, SMALL_BYTES = 100, 64 * 1024**2
MAX_PICTURE_BYTES = 64 * 1024**2
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
END, END64, LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
END_BYTES, MAX_COMMENT_BYTES = 22, 65_535


class Bundle:
    """Refusal when it is none, is locked, or would fill memory or disk."""

    def __init__(self, file: BinaryIO, *, max_bytes: int) -> None:
        self.size_bytes = _size_of(file)
        _check_directory(file, self.size_bytes)
        try:
            self.zip = zipfile.ZipFile(file)
        except BROKEN as error:
            raise Refusal("zip_broken") from error
        files = [info for info in self.zip.infolist() if not info.is_dir()]
        self._check(files, max_bytes)
        files = [info for info in files if not _is_noise(_names_of(info)[0])]
        data = _data_among({_names_of(info)[0]: info for info in files})
        place = _names_of(data)[0]
        self.data_name, self.folder = posixpath.basename(place), posixpath.dirname(place)
        self.data = Inside(self.zip, data)
        self.unpacked_bytes = sum(info.file_size for info in files)
        self.files: dict[str, zipfile.ZipInfo] = {}
        for info in files:
            for name in _names_of(info):
                self.files.setdefault(name, info)
        self.has_pictures = len(files) > 1

    def _check(self, files: list[zipfile.ZipInfo], max_bytes: int) -> None:
        if any(info.flag_bits & 1 for info in files):
            raise Refusal("zip_encrypted")
        unpacked = sum(info.file_size for info in files)
        if unpacked > max_bytes:
            raise Refusal("zip_too_large", limit_mb=max_bytes // 1024**2)
        if unpacked > max(SMALL_BYTES, MAX_RATIO * self.size_bytes):
            raise Refusal("zip_bomb", ratio=unpacked // max(1, self.size_bytes))

    def picture(self, name: str) -> bytes:
        """The file that a record names, from where the data file is or from the top. Problem."""
        found = self.files.get(self._place_of(name, self.folder))
        found = found or self.files.get(self._place_of(name, ""))
        if found is None:
            raise Problem("picture_missing", name=short(name))
        if stat.S_ISLNK(found.external_attr >> 16):
            raise Problem("picture_escapes", name=short(name))
        if found.file_size > MAX_PICTURE_BYTES:
            limit = MAX_PICTURE_BYTES // 1024**2
            raise Problem("picture_large", name=short(name), limit_mb=limit)
        try:
            return self.zip.read(found)
        except BROKEN as error:
            raise Problem("picture_broken", name=short(name)) from error

    def _place_of(self, name: str, folder: str) -> str:
        """Inside of the ZIP. Problem for what leads out of it."""
        plain = unicodedata.normalize("NFC", name.replace("\\", "/"))
        place = posixpath.normpath(posixpath.join(folder, plain))
        if plain.startswith("/") or plain[1:2] == ":" or place.split("/")[0] == "..":
            raise Problem("picture_escapes", name=short(name))
        return place


class Inside:
    """A file of a ZIP that can be read from its beginning as often as needed."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        try:
            self.file = archive.open(info)
        except BROKEN as error:
            raise Refusal("zip_broken") from error

    def read(self, size: int = -1) -> bytes:
        try:
            return self.file.read(size)
        except BROKEN as error:
            raise Refusal("zip_broken") from error

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self.file.seek(offset, whence)
        except BROKEN as error:
            raise Refusal("zip_broken") from error


def _size_of(file: BinaryIO) -> int:
    return file.seek(0, 2)


def _check_directory(file: BinaryIO, size: int) -> None:
    """How long the list of files is, before Python reads all of it into memory."""
    tail = min(size, END_BYTES + MAX_COMMENT_BYTES)
    file.seek(size - tail)
    end = file.read(tail)
    place = end.rfind(END)
    if place < 0 or len(end) - place < END_BYTES:
        raise Refusal("zip_broken")
    count, length = struct.unpack_from("<HL", end, place + 10)
    if count == 0xFFFF or length == 0xFFFFFFFF:
        count, length = _end64(file, size - tail + place)
    if count > MAX_FILES or length > MAX_DIRECTORY_BYTES:
        raise Refusal("zip_too_many", limit=MAX_FILES)


def _end64(file: BinaryIO, end: int) -> tuple[int, int]:
    """Number of files and length of their list, of a ZIP with more than 65,535 files or 4 GiB."""
    file.seek(max(0, end - 20))
    locator = file.read(20)
    if not locator.startswith(LOCATOR64):
        raise Refusal("zip_broken")
    file.seek(struct.unpack_from("<Q", locator, 8)[0])
    record = file.read(56)
    if not record.startswith(END64) or len(record) < 56:
        raise Refusal("zip_broken")
    count, length = struct.unpack_from("<QQ", record, 32)
    return count, length


def _names_of(info: zipfile.ZipInfo) -> list[str]:
    """What it may be called, with `/` and composed characters. Names not marked as UTF-8 are often
    that all the same, or GBK, and may be both by their bytes."""
    names = [info.orig_filename]
    if not info.flag_bits & 0x800 and not info.orig_filename.isascii():
        raw = info.orig_filename.encode("cp437", "replace")
        for encoding in ("gb18030", "utf-8"):
            with contextlib.suppress(UnicodeDecodeError):
                names.insert(0, raw.decode(encoding))
    plain = (name.split("\0")[0].replace("\\", "/") for name in names)
    return [posixpath.normpath(unicodedata.normalize("NFC", name)) for name in plain]


def _is_noise(name: str) -> bool:
    """What file managers put in."""
    return name.startswith("__MACOSX/") or any(
        part.startswith(".") for part in PurePosixPath(name).parts if part != ".."
    )


def _data_among(files: Mapping[str, zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """The one file that holds the records."""
    found = [
        name
        for name in files
        if PurePosixPath(name).suffix.lower() in DATA_SUFFIXES
        and posixpath.basename(name) not in NO_DATA
    ]
    if not found:
        raise Refusal("zip_no_data", allowed=", ".join(DATA_SUFFIXES))
    if len(found) > 1:
        raise Refusal("zip_two_data", names=names_of(sorted(found)))
    return files[found[0]]
