"""Where datasets lie on disk: a folder each, filled aside and moved into place when complete.

MEDIA_ROOT/datasets/<hex>/data.jsonl   accepted records, one a line
MEDIA_ROOT/datasets/<hex>/data.index   byte offsets of every INDEX_STEPth record (uint64)
MEDIA_ROOT/datasets/<hex>/report.jsonl the records that were not accepted, with their reasons
MEDIA_ROOT/datasets/<hex>/pictures/    if it has any (dataset_pictures.py)
MEDIA_ROOT/datasets/<hex>/tokens/      records as tokens, for those who have looked at them
MEDIA_ROOT/datasets/<hex>/data.hashes  a number for each record (dataset_lines.py)
MEDIA_ROOT/datasets/<hex>/data.groups  once asked for: which records are alike (dataset_likeness.py)
MEDIA_ROOT/datasets/<hex>/exports/     for two days: in other formats (dataset_exports.py)
MEDIA_ROOT/datasets/<hex>/unsaved      while its row is not committed
MEDIA_ROOT/datasets/<hex>.part/        an import under way
MEDIA_ROOT/datasets/<hex>.gone/        deleted, and removed as soon as somebody has time for it
"""

import itertools
import shutil
import time
import uuid
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.conf import settings
from django.db import transaction

DATA, INDEX = "data.jsonl", "data.index"
HASHES, GROUPS = "data.hashes", "data.groups"
REPORT = "report.jsonl"
PICTURES = "pictures"
UNSAVED = "unsaved"
EXPORTS = "exports"
GONE = ".gone"
# What an import may take of the disk at most, beside the upload itself.
SPARE_BYTES = 64 * 1024 * 1024
INDEX_STEP = 256
# An import that is older has died with its process.
ABANDONED_S = 24 * 3600
EXPORT_KEPT_S = 48 * 3600


def root() -> Path:
    return Path(settings.MEDIA_ROOT) / "datasets"


def pictures_of(data_file: Path) -> Path:
    """The folder of its pictures, if it has any."""
    return data_file.with_name(PICTURES)


def free_bytes() -> int:
    root().mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(root()).free


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder to fill; gone again unless `settle` has moved it. Whatever goes wrong, nothing
    is left: not the folder, not its final place."""
    remove_abandoned()
    folder = root() / f"{uuid.uuid4().hex}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder.with_suffix(""), ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned() -> None:
    for folder in root().glob("*.part"):
        if _is_old(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _is_old(path: Path, age_s: int = ABANDONED_S) -> bool:
    try:
        return time.time() - path.stat().st_mtime > age_s
    except FileNotFoundError:  # another import has just ended
        return False


def unsaved() -> list[Path]:
    """Folders in their final place whose row was, as far as they know, never committed."""
    return [mark.parent for mark in root().glob(f"*/{UNSAVED}") if _is_old(mark)]


def link(file: Path, folder: Path) -> str:
    """The same content in another folder, without a second copy; its path below MEDIA_ROOT."""
    for name in (DATA, INDEX, HASHES, GROUPS):
        if file.with_name(name).exists():
            link_or_copy(file.with_name(name), folder / name)
    pictures = file.with_name(PICTURES)
    if pictures.is_dir():
        (folder / PICTURES).mkdir()
        for picture in pictures.iterdir():
            link_or_copy(picture, folder / PICTURES / picture.name)
    final = folder.with_suffix("")
    return (final / DATA).relative_to(settings.MEDIA_ROOT).as_posix()


def link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # the file system knows no links
        shutil.copyfile(source, target)


def settle(folder: Path) -> None:
    """Move a sealed folder to its final place. In the transaction that saves its row: until that
    is committed a mark says so. Nothing without the mark is ever swept up, whatever the database
    knows, so that an empty or an older database costs no data."""
    (folder / UNSAVED).touch()
    final = folder.rename(folder.with_suffix(""))
    transaction.on_commit(lambda: (final / UNSAVED).unlink(missing_ok=True))


def set_aside(file: Path) -> None:
    """The folder of a stored file is no longer there; `sweep` gives its room back, which takes
    seconds where there are many pictures."""
    if file.parent.parent == root():
        with suppress(FileNotFoundError):
            file.parent.rename(file.parent.with_suffix(GONE))


def sweep() -> int:
    """Remove what was set aside; how many folders."""
    gone = list(root().glob(f"*{GONE}"))
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def remove_old_exports() -> None:
    for file in root().glob(f"*/{EXPORTS}/*"):
        if _is_old(file, EXPORT_KEPT_S):
            file.unlink(missing_ok=True)


class Records:
    """The records of a stored file, by position: reads the asked part only. None without file."""

    def __init__(self, file: Path, count: int) -> None:
        self.file = file
        self.count = count if file.is_file() else 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, wanted: slice) -> list[dict[str, Any]]:
        start, stop, _step = wanted.indices(self.count)
        if start >= stop:
            return []
        with self.file.open("rb") as file:
            skipped = self._seek(file, start)
            lines = itertools.islice(file, start - skipped, max(stop - skipped, 0))
            return [orjson.loads(line) for line in lines]

    def line(self, number: int) -> bytes:
        """As it is stored; `number` counts from 1."""
        with self.file.open("rb") as file:
            skipped = self._seek(file, number - 1)
            return next(itertools.islice(file, number - 1 - skipped, None))

    def _seek(self, file: BinaryIO, start: int) -> int:
        """Go to an indexed record at or before `start`; its number."""
        offsets = array("Q")
        offsets.frombytes(self.file.with_name(INDEX).read_bytes())
        step = min(start // INDEX_STEP, len(offsets) - 1)
        file.seek(offsets[step])
        return step * INDEX_STEP


class Rejections:
    """What was not accepted of a stored file, with `code` for one reason: reads the asked part."""

    def __init__(self, file: Path, code: str, count: int) -> None:
        self.file = file.with_name(REPORT)
        self.code = code
        self.count = count if self.file.is_file() else 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, wanted: slice) -> list[dict[str, Any]]:
        start, stop, _step = wanted.indices(self.count)
        if start >= stop:
            return []
        with self.file.open("rb") as lines:
            return list(itertools.islice(self._rows(lines), start, stop))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.count:
            with self.file.open("rb") as lines:
                yield from self._rows(lines)

    def _rows(self, lines: BinaryIO) -> Iterator[dict[str, Any]]:
        rows = map(orjson.loads, lines)
        return (row for row in rows if not self.code or row["code"] == self.code)
