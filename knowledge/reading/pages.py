"""Pages of a PDF: drawn, and where on them a passage is. Runs in the child process."""

import ctypes
import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from knowledge.reading import fonts, pagetext, pdf
from knowledge.reading.types import Unreadable

MAX_PX = 4000
# Of the square that a page is laid out in to measure it.
UNITS = 1_000_000

Place = tuple[float, float, float, float]


@contextmanager
def _page(path: Path, number: int) -> Iterator[pdfium.PdfPage]:
    with pdf.opened(path) as document:
        if not 1 <= number <= len(document):
            raise Unreadable("broken")
        with closing(document[number - 1]) as page:
            yield page


def draw(path: Path, number: int, width_px: int, into: Path) -> None:
    """Write a PNG. No side is longer than MAX_PX."""
    fonts.draw_with_installed()
    with _page(path, number) as page:
        width, height = page.get_size()
        scale = min(width_px / width, MAX_PX / width, MAX_PX / height)
        with closing(page.render(scale=scale)) as bitmap:
            picture = io.BytesIO()
            bitmap.to_pil().save(picture, "PNG")
    into.write_bytes(picture.getvalue())


def places(path: Path, number: int, start: int, end: int) -> list[Place]:
    """Left, top, width and height, as parts of the page, of each line that characters `start` to
    `end` of its text are on."""
    fonts.read_with_squares()
    with _page(path, number) as page, closing(page.get_textpage()) as text:
        drawn = text.get_text_range(errors="replace")
        origins = pagetext.origins(drawn, pagetext.edits(drawn))[start:end]
        if not origins:
            return []
        at, boxes = origins[0][0], []
        for line in drawn[at : origins[-1][1]].split("\n"):
            boxes.append(_around(page, text, at, at + len(line)))
            at += len(line) + 1
    return [box for box in boxes if box is not None]


def _around(page: pdfium.PdfPage, text: pdfium.PdfTextPage, first: int, last: int) -> Place | None:
    corners = list(_corners(page, text, first, last))
    if not corners:
        return None
    lefts, tops = zip(*corners, strict=True)
    left, top = max(0, min(lefts)) / UNITS, max(0, min(tops)) / UNITS
    right, bottom = min(UNITS, max(lefts)) / UNITS, min(UNITS, max(tops)) / UNITS
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _corners(
    page: pdfium.PdfPage, text: pdfium.PdfTextPage, first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Two of each letter, in UNITS from the top left corner of the page as it is shown."""
    for at in range(first, last):
        index = raw.FPDFText_GetCharIndexFromTextIndex(text, at)
        if index < 0 or raw.FPDFText_IsGenerated(text, index) == 1:
            continue
        left, bottom, right, top = text.get_charbox(index, loose=True)
        yield _shown(page, left, top)
        yield _shown(page, right, bottom)


def _shown(page: pdfium.PdfPage, x: float, y: float) -> tuple[int, int]:
    across, down = ctypes.c_int(), ctypes.c_int()
    raw.FPDF_PageToDevice(page, 0, 0, UNITS, UNITS, 0, x, y, across, down)
    return across.value, down.value
