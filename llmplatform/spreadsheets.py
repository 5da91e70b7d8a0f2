"""CSV that spreadsheets show as it is, streamed while it is made."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone

ROWS_A_PIECE = 500


class Echo:
    """A file for csv.writer that hands back what it is given."""

    def write(self, text: str) -> str:
        return text


def _cell(value: Any) -> str:
    """Text that a spreadsheet shows instead of computing."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def csv_pieces(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    # Spreadsheets take UTF-8 only with this mark.
    yield "\ufeff" + writer.writerow(columns)
    left = iter(rows)
    while some := list(islice(left, ROWS_A_PIECE)):
        yield "".join(writer.writerow([_cell(value) for value in row]) for row in some)


async def _in_thread(pieces: Iterator[str]) -> AsyncIterator[str]:
    """Under ASGI a plain iterator would be gathered in memory first."""
    while (piece := await sync_to_async(lambda: next(pieces, None))()) is not None:
        yield piece


def csv_response(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> StreamingHttpResponse:
    """A download `name-<time>.csv`; `rows` are asked for while they are sent."""
    return download(name, "csv", "text/csv", csv_pieces(columns, rows))


def download(name: str, suffix: str, kind: str, pieces: Iterator[str]) -> StreamingHttpResponse:
    """`name-<time>.suffix`, made while it is sent."""
    response = StreamingHttpResponse(_in_thread(pieces), content_type=f"{kind}; charset=utf-8")
    file = f"{name}-{timezone.now():%Y%m%d-%H%M%S}.{suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return response
