"""Pictures of a dataset: checked, and kept beside its records by what is in them.

MEDIA_ROOT/datasets/<hex>/pictures/<sha256>.<ending>

Versions of a dataset share one file each (hard links), which goes with the last of them. Records
name the file, so that the hash of the records says what is in the pictures, too.
"""

import base64
import binascii
import hashlib
import io
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from PIL import Image, WebPImagePlugin

from training import dataset_files
from training.formats.bundles import MAX_PICTURE_BYTES, SUFFIX, Bundle
from training.formats.pictures import mentions_pictures
from training.formats.problems import Problem, Refusal, short
from training.formats.reading import Reading, read_items
from training.models import Dataset

NAME = re.compile(r"[0-9a-f]{64}\.(?:jpg|png|webp|gif|bmp)")
# Kinds that the trainer and every browser read, by Pillow's names for them.
ENDINGS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
}
# Phones write MPO, which is opened as JPEG; without its import Pillow does not know WebP.
OPENED = ["JPEG", "PNG", "GIF", "BMP", WebPImagePlugin.WebPImageFile.format]
TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "bmp": "image/bmp",
}
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
THUMBNAIL_PIXELS = 320
# A large picture takes some hundred MB while it is made small: one after the other.
DECODING = threading.Lock()
DATA_URL = "data:"
DATA_MARK = b"data:image"
SCANNED_BYTES = 1024 * 1024
# Unpacked, a bundle may take this many times what an upload may be.
UNPACKED_TIMES = 4
# From so many times as many on, the trainer stops.
BOMB_TIMES = 2
WRONG = (OSError, SyntaxError, ValueError, EOFError)


def checked_picture(content: bytes, name: str) -> str:
    """The name it is kept under. Problem for what the trainer could not open, or not in any
    reasonable memory: it is decoded, as the trainer will."""
    shown = short(name)
    if kind := _other_kind(content):
        raise Problem("picture_kind", name=shown, kind=kind)
    try:
        with Image.open(io.BytesIO(content), formats=OPENED) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_many_pixels(shown, 1)
            ending = ENDINGS[image.format or ""]
            image.draft("RGB", (image.width // 8, image.height // 8))
            image.load()
            image.crop((0, 0, 1, 1)).convert("RGB")
    except Image.DecompressionBombWarning as error:
        raise _too_many_pixels(shown, 1) from error
    except Image.DecompressionBombError as error:
        raise _too_many_pixels(shown, BOMB_TIMES) from error
    except WRONG as error:
        raise Problem("picture_broken", name=shown) from error
    return f"{hashlib.sha256(content).hexdigest()}.{ending}"


def _too_many_pixels(name: str, times: int) -> Problem:
    return Problem("picture_pixels", name=name, limit=MAX_PIXELS // 10**6, times=times)


def _other_kind(content: bytes) -> str:
    """A kind that people take for any other, and that not every trainer or browser reads."""
    if content.startswith((b"II*\0", b"MM\0*")):
        return "TIFF"
    if content.startswith(b"\0\0\0\x0cjP  "):
        return "JPEG 2000"
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    return {b"avif": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC"}.get(brand, "")


def from_data_url(address: str) -> bytes:
    head, _comma, body = address.partition(",")
    if not head.endswith(";base64"):
        raise Problem("picture_broken", name=short(address))
    if len(body) * 3 // 4 > MAX_PICTURE_BYTES:
        limit = MAX_PICTURE_BYTES // 1024**2
        raise Problem("picture_large", name=short(address), limit_mb=limit)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Problem("picture_broken", name=short(address)) from error


class Album:
    """Where the pictures of records come from: here, from the records themselves (data: URLs).

    `is_strict`: it has pictures, so that each record must name as many as its texts have marks.
    """

    def __init__(self, *, is_strict: bool = False) -> None:
        self.is_strict = is_strict

    def content(self, name: str) -> bytes:
        """Raises Problem where there is none."""
        if name.startswith(DATA_URL):
            return from_data_url(name)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://|//", name):
            raise Problem("picture_remote", name=short(name))
        return self._file(name)

    def _file(self, name: str) -> bytes:
        raise Problem("picture_no_zip", name=short(name))

    def keep(self, name: str, folder: Path | None) -> str:
        """The name of the file that it is in `folder`; None: only look. Raises Problem."""
        content = self.content(name)
        kept = checked_picture(content, name)
        if folder is not None and not (folder / kept).exists():
            folder.mkdir(exist_ok=True)
            (folder / kept).write_bytes(content)
            (folder / kept).chmod(settings.FILE_UPLOAD_PERMISSIONS or 0o600)
        return kept


class BundleAlbum(Album):
    """The files of an uploaded ZIP."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(is_strict=bundle.has_pictures)
        self.bundle = bundle
        self.known: dict[str, str] = {}

    def _file(self, name: str) -> bytes:
        return self.bundle.picture(name)

    def keep(self, name: str, folder: Path | None) -> str:
        if name.startswith(DATA_URL):
            return super().keep(name, folder)
        if name not in self.known:
            self.known[name] = super().keep(name, folder)
        return self.known[name]


class StoredAlbum(Album):
    """The pictures of stored datasets."""

    def __init__(self, data_files: Iterable[Path]) -> None:
        self.folders = [dataset_files.pictures_of(file) for file in data_files]
        super().__init__(is_strict=any(folder.is_dir() for folder in self.folders))

    def _file(self, name: str) -> bytes:
        raise Problem("picture_missing", name=short(name))

    def keep(self, name: str, folder: Path | None) -> str:
        places = [place / name for place in self.folders if NAME.fullmatch(name)]
        place = next((place for place in places if place.is_file()), None)
        if place is None:
            return super().keep(name, folder)
        if folder is not None and not (folder / name).exists():
            folder.mkdir(exist_ok=True)
            dataset_files.link_or_copy(place, folder / name)
        return name


@dataclass(frozen=True)
class Uploaded:
    """What an uploaded file is made of; `name` that of the file with the records."""

    file: BinaryIO
    name: str
    bundle: Bundle | None = None

    def album(self, reading: Reading) -> Album:
        if self.bundle is not None:
            return BundleAlbum(self.bundle)
        return Album(is_strict=_has_marks(self.file) and _has_pictures(self.file, reading))


def opened(file: BinaryIO, file_name: str) -> Uploaded:
    """Refusal for a ZIP that cannot be used."""
    if Path(file_name).suffix.lower() != SUFFIX:
        return Uploaded(file, file_name)
    bundle = Bundle(file, max_bytes=UNPACKED_TIMES * settings.UPLOAD_MAX_BYTES)
    if dataset_files.free_bytes() < bundle.unpacked_bytes + dataset_files.SPARE_BYTES:
        raise Refusal("disk_full")
    return Uploaded(cast(BinaryIO, bundle.data), bundle.data_name, bundle)


def _has_marks(file: BinaryIO) -> bool:
    """Whether a picture may be in the file itself; most files need no second look."""
    file.seek(0)
    end = b""
    while chunk := file.read(SCANNED_BYTES):
        if DATA_MARK in end + chunk:
            return True
        end = chunk[-len(DATA_MARK) :]
    return False


def _has_pictures(file: BinaryIO, reading: Reading) -> bool:
    return any(mentions_pictures(item.value) for item in read_items(file, reading))


def counted(folder: Path) -> tuple[int, int]:
    """How many pictures are kept there, and their bytes."""
    pictures = folder / dataset_files.PICTURES
    if not pictures.is_dir():
        return 0, 0
    sizes = [entry.stat().st_size for entry in os.scandir(pictures)]
    return len(sizes), sum(sizes)


def path_of(data_file: Path, name: str) -> Path | None:
    """None for a name that is none, or of no picture of this dataset."""
    place = dataset_files.pictures_of(data_file) / name
    return place if NAME.fullmatch(name) and place.is_file() else None


def type_of(name: str) -> str:
    return TYPES[name.rpartition(".")[2]]


def answer(dataset: Dataset, name: str, *, small: bool = False) -> HttpResponseBase | None:
    """The picture for a browser, which must take it for nothing else; None without it."""
    place = path_of(dataset.file, name)
    if place is None:
        return None
    response: HttpResponseBase
    if small:
        response = HttpResponse(thumbnail(place), content_type="image/webp")
    else:
        response = FileResponse(place.open("rb"), content_type=type_of(name))
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    # What is under this name never changes; who may see it may.
    response["Cache-Control"] = "private, max-age=3600"
    return response


def thumbnail(source: Path | BinaryIO) -> bytes:
    """Small, as WebP."""
    with DECODING, Image.open(source, formats=OPENED) as image:
        image.draft("RGB", (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        image.thumbnail((THUMBNAIL_PIXELS, THUMBNAIL_PIXELS))
        small = image if image.mode in ("RGB", "RGBA") else image.convert("RGBA")
        target = io.BytesIO()
        small.save(target, "WEBP", quality=80)
    return target.getvalue()


def as_data_url(content: bytes, name: str) -> str:
    """A thumbnail for a page, of a picture that is not kept yet. Raises Problem."""
    checked_picture(content, name)
    small = base64.b64encode(thumbnail(io.BytesIO(content))).decode()
    return f"data:image/webp;base64,{small}"
