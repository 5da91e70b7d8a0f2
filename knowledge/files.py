"""Where documents lie on disk: a folder each, which appears with its file complete.

MEDIA_ROOT/knowledge/<hex>/source        as it was uploaded
MEDIA_ROOT/knowledge/<hex>/source.text   what was read of it, UTF-8
MEDIA_ROOT/knowledge/<hex>.part/         an upload under way
"""

import hashlib
import shutil
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

SOURCE = "source"
BLOCK_BYTES = 1024 * 1024
MAX_BYTES = 200 * 1024**2
# What is left free on the disk beside an upload.
SPARE_BYTES = 64 * 1024**2
# An upload that is older has died with its process.
ABANDONED_S = 24 * 3600


@dataclass(frozen=True)
class Kept:
    """`path` is relative to MEDIA_ROOT."""

    path: str
    size_bytes: int
    sha256: str


def root() -> Path:
    return Path(settings.MEDIA_ROOT) / "knowledge"


def keep(file: BinaryIO) -> Kept:
    """A copy of `file`. ValidationError where it is empty, too large or the disk too full; then
    nothing is left."""
    root().mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    draft, folder = root() / f"{name}.part", root() / name
    draft.mkdir()
    try:
        size_bytes, sha256 = _copy(file, draft / SOURCE)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    path = (folder / SOURCE).relative_to(settings.MEDIA_ROOT).as_posix()
    return Kept(path, size_bytes, sha256)


def _copy(file: BinaryIO, target: Path) -> tuple[int, str]:
    digest, size_bytes = hashlib.sha256(), 0
    room = shutil.disk_usage(target.parent).free - SPARE_BYTES
    with target.open("wb") as copy:
        while block := file.read(BLOCK_BYTES):
            size_bytes += len(block)
            if size_bytes > MAX_BYTES:
                limit = MAX_BYTES // 1024**2
                raise ValidationError(_("A document may have %(mb)d MB at most.") % {"mb": limit})
            if size_bytes > room:
                raise ValidationError(_("The disk is full. Ask an administrator for room."))
            digest.update(block)
            copy.write(block)
    if not size_bytes:
        raise ValidationError(_("The file is empty."))
    return size_bytes, digest.hexdigest()


def remove(path: str) -> None:
    """The folder of a document; whatever is gone already is no error."""
    folder = (Path(settings.MEDIA_ROOT) / path).parent
    if path and folder.parent == root():
        shutil.rmtree(folder, ignore_errors=True)


def abandoned() -> list[Path]:
    """Uploads whose process has died."""
    before = time.time() - ABANDONED_S
    return [each for each in root().glob("*.part") if each.stat().st_mtime < before]
