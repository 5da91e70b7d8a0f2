"""Where datasets lie on disk: a folder each, filled aside and moved into place when complete.

MEDIA_ROOT/datasets/<hex>/data.jsonl   accepted records, one a line
MEDIA_ROOT/datasets/<hex>/data.index   byte offsets of every INDEX_STEPth record (uint64)
MEDIA_ROOT/datasets/<hex>/report.jsonl the records that were not accepted, with their reasons
MEDIA_ROOT/datasets/<hex>/tokens/      records as tokens, for those who have looked at them
MEDIA_ROOT/datasets/<hex>/data.hashes  a number for each record (dataset_lines.py)
MEDIA_ROOT/datasets/<hex>/data.groups  once asked for: which records are alike (dataset_likeness.py)
MEDIA_ROOT/datasets/<hex>.part/        an import under way
"""

import hashlib
import itertools
import shutil
import time
import uuid
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
from django.conf import settings

from training.dataset_lines import HASHES, count_duplicates, line_hash, write_hashes

DATA, INDEX, GROUPS = "data.jsonl", "data.index", "data.groups"
REPORT = "report.jsonl"
INDEX_STEP = 256
# An import that is older has died with its process.
ABANDONED_S = 24 * 3600
COPY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Stored:
    """A complete file: where it is below MEDIA_ROOT, and its content."""

    path: str
    size_bytes: int
    sha256: str
    duplicates: int


def root() -> Path:
    return Path(settings.MEDIA_ROOT) / "datasets"


def free_bytes() -> int:
    root().mkdir(parents=True, exist_ok=True)
    return shutil.disk_usage(root()).free


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder to fill; gone again unless `settle` has moved it. Whatever goes wrong, nothing
    is left: not the folder, not its final place."""
    _remove_abandoned()
    folder = root() / f"{uuid.uuid4().hex}.part"
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder.with_suffix(""), ignore_errors=True)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned() -> None:
    for folder in root().glob("*.part"):
        try:
            is_old = time.time() - folder.stat().st_mtime > ABANDONED_S
        except FileNotFoundError:  # another import has just ended
            continue
        if is_old:
            shutil.rmtree(folder, ignore_errors=True)


def seal(folder: Path, lead: tuple[int, int] | None) -> Stored:
    """Hash and index the file; the record at `lead` (offset, length) becomes the first.

    The trainer takes the columns and their types from the beginning of the file, so a column that
    not every record has must be seen there.
    """
    data = folder / DATA
    if lead is not None and lead[0] > 0:
        _move_to_front(data, *lead)
    digest, offsets, hashes, position = hashlib.sha256(), array("Q"), array("Q"), 0
    with data.open("rb") as file:
        for number, line in enumerate(file):
            if number % INDEX_STEP == 0:
                offsets.append(position)
            digest.update(line)
            hashes.append(line_hash(line))
            position += len(line)
    (folder / INDEX).write_bytes(offsets.tobytes())
    numbers = np.frombuffer(hashes, np.uint64) if hashes else np.empty(0, np.uint64)
    write_hashes(folder, numbers)
    data.chmod(settings.FILE_UPLOAD_PERMISSIONS or 0o600)
    final = folder.with_suffix("")
    path = (final / DATA).relative_to(settings.MEDIA_ROOT)
    duplicates = count_duplicates(numbers)
    return Stored(path.as_posix(), position, digest.hexdigest(), duplicates)


def link(file: Path, folder: Path) -> str:
    """The same content in another folder, without a second copy; its path below MEDIA_ROOT."""
    for name in (DATA, INDEX, HASHES, GROUPS):
        if file.with_name(name).exists():
            _link_or_copy(file.with_name(name), folder / name)
    final = folder.with_suffix("")
    return (final / DATA).relative_to(settings.MEDIA_ROOT).as_posix()


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # the file system knows no links
        shutil.copyfile(source, target)


def settle(folder: Path) -> None:
    """Move a sealed folder to its final place."""
    folder.rename(folder.with_suffix(""))


def _move_to_front(data: Path, offset: int, length: int) -> None:
    rewritten = data.with_suffix(".tmp")
    with data.open("rb") as source, rewritten.open("wb") as target:
        source.seek(offset)
        target.write(source.read(length))
        source.seek(0)
        _copy(source, target, offset)
        source.seek(offset + length)
        shutil.copyfileobj(source, target, COPY_BYTES)
    rewritten.replace(data)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        chunk = source.read(min(size, COPY_BYTES))
        target.write(chunk)
        size -= len(chunk)


def remove(file: Path) -> None:
    """The folder of a stored file."""
    if file.parent.parent == root():
        shutil.rmtree(file.parent, ignore_errors=True)


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
