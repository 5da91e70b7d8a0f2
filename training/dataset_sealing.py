"""The last step of filling a dataset's folder: in order for the trainer, indexed, hashed."""

import hashlib
import shutil
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from llmplatform.arrays import np
from training.dataset_files import DATA, INDEX, INDEX_STEP
from training.dataset_lines import count_duplicates, line_hash, write_hashes

COPY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Stored:
    """A complete file: where it is below MEDIA_ROOT, and its content."""

    path: str
    size_bytes: int
    sha256: str
    duplicates: int


def seal(folder: Path, leads: Iterable[tuple[int, int]]) -> Stored:
    """Hash and index the file; the records at `leads` (offset, length) become the first.

    The trainer takes the columns and their types from the beginning of the file, so a column that
    not every record has must be seen there.
    """
    data = folder / DATA
    # Moving one leaves those behind it where they are, and moves those before it on.
    for offset, length in sorted(set(leads)):
        if offset > 0:
            _move_to_front(data, offset, length)
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
