"""A dataset as a file to take along: JSON lines, JSON, CSV, or in another chat format."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.spreadsheets import csv_pieces
from training import datasets
from training.dataset_conversions import CHAT_FORMATS, Lossy, converted
from training.formats.detection import layout_of
from training.models import Dataset

FILES = ("jsonl", "json", "csv")
ROWS_A_PIECE = 200
TYPES = {"jsonl": "application/x-ndjson", "json": "application/json", "csv": "text/csv"}


def formats_of(dataset: Dataset) -> tuple[str, ...]:
    """What its records can be written in besides their own."""
    if dataset.format not in CHAT_FORMATS:
        return ()
    return tuple(name for name in CHAT_FORMATS if name != dataset.format)


def export(
    *, dataset: Dataset, actor: User, file: str, format: str, request: HttpRequest
) -> HttpResponseBase:
    """A download, made while it is sent. ValidationError by field, also when a record would lose
    something in `format`."""
    if file not in FILES:
        text = _("Choose one of: %(names)s.")
        raise ValidationError({"file": [text % {"names": ", ".join(FILES)}]})
    if format and format != dataset.format and format not in formats_of(dataset):
        raise ValidationError({"format": [_("This dataset cannot be written in that format.")]})
    if not dataset.has_file:
        raise ValidationError({"file": [_("The file of this dataset is missing.")]})
    target = format if format != dataset.format else ""
    if target:
        check_lossless(dataset, target)
    after = {"file": file, "format": format or dataset.format}
    audit(actor=actor, action="dataset.export", target=dataset, after=after, request=request)
    response = StreamingHttpResponse(
        _in_thread(_encoded(pieces_of(dataset, file=file, format=target))),
        content_type=f"{TYPES[file]}; charset=utf-8",
    )
    name = f"{dataset.name}{f'-v{dataset.version}' if dataset.version > 1 else ''}.{file}"
    header = content_disposition_header(as_attachment=True, filename=name)
    response.headers["Content-Disposition"] = header or "attachment"
    return response


def check_lossless(dataset: Dataset, format: str) -> None:
    """ValidationError with the first record that does not fit, and how many there are."""
    lost, first = 0, 0
    layout = layout_of(dataset.format, dataset.layout)
    for item in datasets.stored_items(dataset.file):
        try:
            converted(layout.turns(item.value), format)
        except Lossy:
            lost, first = lost + 1, first or item.line
    if lost:
        text = _(
            "%(count)d records hold something that this format has no place for, such as tool "
            "calls; the first is record %(first)d."
        )
        raise ValidationError({"format": [text % {"count": lost, "first": first}]})


def records_of(dataset: Dataset, format: str) -> Iterator[dict[str, Any]]:
    layout = layout_of(dataset.format, dataset.layout)
    for item in datasets.stored_items(dataset.file):
        yield converted(layout.turns(item.value), format) if format else item.value


def pieces_of(dataset: Dataset, *, file: str, format: str = "") -> Iterator[str | bytes]:
    records = records_of(dataset, format)
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
