"""A dataset as a file to take along: JSON lines, JSON, CSV, or in another chat format.

What is small is made while it is sent. To write a large one anew takes longer than a request may: a
process of its own does it (dataset_work.py), and the file stays beside the dataset for a while.
"""

import asyncio
import zipfile
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.spreadsheets import csv_pieces
from llmplatform.text import enumerated
from training import dataset_files, dataset_work, datasets
from training.dataset_conversions import CHAT_FORMATS, Lossy, rewritten
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.formats.pictures import COLUMN
from training.formats.problems import Refusal
from training.models import Dataset, DatasetWork, WorkKind, WorkStatus

FILES = ("jsonl", "json", "csv")
ROWS_A_PIECE = 200
PIECE_BYTES = 256 * 1024
# Who asks again so soon after a failure is told of it, and does not try anew.
FAILED_FOR = timedelta(minutes=1)
LOOKED_AT = 20
TYPES = {"jsonl": "application/x-ndjson", "json": "application/json", "csv": "text/csv"}


def formats_of(dataset: Dataset) -> tuple[str, ...]:
    """What its records can be written in besides their own."""
    if dataset.format not in CHAT_FORMATS:
        return ()
    return tuple(name for name in CHAT_FORMATS if name != dataset.format)


def export(
    *, dataset: Dataset, actor: User, file: str, format: str, request: HttpRequest
) -> HttpResponseBase | DatasetWork:
    """A download, or the work that makes it: then ask again once that is done.

    ValidationError by field, also when a record would lose something in `format`.
    """
    if file not in FILES:
        text = _("Choose one of: %(names)s.")
        raise ValidationError({"file": [text % {"names": enumerated(FILES)}]})
    if format and format != dataset.format and format not in formats_of(dataset):
        raise ValidationError({"format": [_("This dataset cannot be written in that format.")]})
    if not dataset.has_file:
        raise ValidationError({"file": [_("The file of this dataset is missing.")]})
    target = format if format != dataset.format else ""
    made = made_file(dataset, file, target)
    is_large = dataset.size_bytes > dataset_work.INLINE_BYTES
    if (file != "jsonl" or target) and is_large and not made.is_file():
        return _asked(dataset, actor, file, target)
    if target and not made.is_file():
        check_lossless(dataset, target)
    after = {"file": file, "format": format or dataset.format}
    audit(actor=actor, action="dataset.export", target=dataset, after=after, request=request)
    if made.is_file():
        pieces = _read(made.open("rb"))
    else:
        pieces = _encoded(pieces_of(dataset, file=file, format=target))
    name = f"{dataset.name}{f'-v{dataset.version}' if dataset.version > 1 else ''}"
    if dataset.pictures:
        return _sent(_zipped(dataset, file, pieces), f"{name}.zip", "application/zip")
    return _sent(pieces, f"{name}.{file}", f"{TYPES[file]}; charset=utf-8")


# --- In the background -----------------------------------------------------------
def made_file(dataset: Dataset, file: str, format: str) -> Path:
    """Where it lies, if it was made in the background. Goes with the dataset."""
    folder = dataset.file.with_name(dataset_files.EXPORTS)
    return folder / f"{format or dataset.format}.{file}"


def _asked(dataset: Dataset, actor: User, file: str, format: str) -> DatasetWork:
    """The work that is under way, or has just failed, or else a new one."""
    wanted = {"file": file, "format": format}
    fresh = timezone.now() - FAILED_FOR
    for known in dataset.work.filter(kind=WorkKind.EXPORT, owner=actor)[:LOOKED_AT]:
        has_failed = known.status == WorkStatus.FAILED and known.created_at > fresh
        if known.request == wanted and (known.is_open or has_failed):
            return known
    return dataset_work.ask(
        owner=actor,
        kind=WorkKind.EXPORT,
        dataset=dataset,
        size_bytes=dataset.size_bytes,
        request=wanted,
    )


def perform(work: DatasetWork, progress: Progress) -> None:
    """Make the file; nothing is left of one that would lose something."""
    dataset, file, format = work.dataset, work.request["file"], work.request["format"]
    if dataset is None or not dataset.has_file:
        raise ValidationError(_("The file of this dataset is missing."))
    if dataset_files.free_bytes() < 2 * dataset.size_bytes + dataset_files.SPARE_BYTES:
        raise Refusal("disk_full")
    if format:
        progress.begin("reading", dataset.records)
        check_lossless(dataset, format, progress)
    made = made_file(dataset, file, format)
    made.parent.mkdir(exist_ok=True)
    draft = made.with_name(f"{work.pk.hex}-{work.attempt}.part")
    progress.begin("writing", dataset.records)
    try:
        with draft.open("wb") as target:
            for piece in _encoded(pieces_of(dataset, file=file, format=format, progress=progress)):
                target.write(piece)
        progress.tell()
        draft.replace(made)
    finally:
        draft.unlink(missing_ok=True)


def _read(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _sent(pieces: Iterator[bytes], name: str, content_type: str) -> HttpResponseBase:
    response = StreamingHttpResponse(_in_thread(pieces), content_type=content_type)
    header = content_disposition_header(as_attachment=True, filename=name)
    response.headers["Content-Disposition"] = header or "attachment"
    return response


def download(*, dataset: Dataset, actor: User, request: HttpRequest) -> HttpResponseBase:
    """JSON lines as they are stored, with the pictures in a ZIP where there are any."""
    file = datasets.open_download(dataset=dataset, actor=actor, request=request)
    if dataset.pictures:
        file.close()
        lines = _encoded(pieces_of(dataset, file="jsonl"))
        return _sent(_zipped(dataset, "jsonl", lines), f"{dataset.name}.zip", "application/zip")
    return FileResponse(file, as_attachment=True, filename=f"{dataset.name}.jsonl")


class _Outgoing:
    """Takes what a ZIP is made of, until it is sent."""

    def __init__(self) -> None:
        self.held = bytearray()

    def write(self, data: Any) -> int:
        self.held += data
        return len(data)

    def flush(self) -> None: ...

    def taken(self) -> bytes:
        taken, self.held = bytes(self.held), bytearray()
        return taken


def _zipped(dataset: Dataset, file: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """A ZIP that can be uploaded again: the records, and the pictures as they are."""
    out = _Outgoing()
    with zipfile.ZipFile(cast(BinaryIO, out), "w", zipfile.ZIP_STORED) as archive:
        with archive.open(f"data.{file}", "w", force_zip64=True) as target:
            for piece in pieces:
                target.write(piece)
                yield out.taken()
        for picture in sorted(dataset_files.pictures_of(dataset.file).iterdir()):
            archive.write(picture, f"{dataset_files.PICTURES}/{picture.name}")
            yield out.taken()
    yield out.taken()


def check_lossless(dataset: Dataset, format: str, progress: Progress | None = None) -> None:
    """ValidationError with the first record that does not fit, and how many there are."""
    lost, first = 0, 0
    layout = layout_of(dataset.format, dataset.layout)
    items = datasets.stored_items(dataset.file)
    for item in items if progress is None else progress.counted(items):
        try:
            rewritten(layout, item.value, format)
        except Lossy:
            lost, first = lost + 1, first or item.line
    if lost:
        text = _(
            "%(count)d records hold something that this format has no place for, such as tool "
            "calls; the first is record %(first)d."
        )
        raise ValidationError({"format": [text % {"count": lost, "first": first}]})


def records_of(
    dataset: Dataset, format: str, progress: Progress | None = None
) -> Iterator[dict[str, Any]]:
    layout = layout_of(dataset.format, dataset.layout)
    items = datasets.stored_items(dataset.file)
    for item in items if progress is None else progress.counted(items):
        record = rewritten(layout, item.value, format) if format else item.value
        if COLUMN in record:
            record[COLUMN] = [f"{dataset_files.PICTURES}/{name}" for name in record[COLUMN]]
        yield record


def pieces_of(
    dataset: Dataset, *, file: str, format: str = "", progress: Progress | None = None
) -> Iterator[str | bytes]:
    records = records_of(dataset, format, progress)
    if file == "csv":
        return csv_pieces(*_table(dataset, records))
    return _json(records) if file == "json" else _lines(records)


def _lines(records: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    while some := list(islice(records, ROWS_A_PIECE)):
        yield b"".join(orjson.dumps(record) + b"\n" for record in some)


def _json(records: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield b"["
    separator = b"\n"
    while some := list(islice(records, ROWS_A_PIECE)):
        yield separator + b",\n".join(map(orjson.dumps, some))
        separator = b",\n"
    yield b"\n]\n"


def _table(
    dataset: Dataset, records: Iterator[dict[str, Any]]
) -> tuple[list[str], Iterator[list[Any]]]:
    """Column names, and rows; what is no text or number becomes JSON."""
    first = next(records)
    # A history may come later; other columns are the same in every record.
    names = [*first]
    names += [name for name in dataset.layout["columns"].values() if name not in first]
    names = names if set(first) <= set(dataset.layout["columns"].values()) else [*first]

    def rows() -> Iterator[list[Any]]:
        yield [_cell(first.get(name)) for name in names]
        for record in records:
            yield [_cell(record.get(name)) for name in names]

    return names, rows()


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, list | dict | bool) else value


def _encoded(pieces: Iterator[str | bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece if isinstance(piece, bytes) else piece.encode()


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory first."""
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
