"""Small real files of every kind that is read, made in a folder."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

CHINESE_FONT = "STSong-Light"
SIZE_PT = 11
MARGIN_PT = 60


def pdf(
    folder: Path,
    pages: Sequence[str],
    *,
    name: str = "made.pdf",
    title: str = "",
    outline: Sequence[tuple[int, int, str]] = (),
) -> Path:
    """Each page with its text, lines wrapped as a program does. `outline`: level from 0, page from
    1, title."""
    path = folder / name
    canvas = Canvas(str(path), pagesize=A4, invariant=True)
    canvas.setTitle(title)
    for number, text in enumerate(pages, start=1):
        for level, page, said in outline:
            if page == number:
                key = f"{number}-{said}"
                canvas.bookmarkPage(key)
                canvas.addOutlineEntry(said, key, level)
        _write(canvas, text)
        canvas.showPage()
    canvas.save()
    return path


def _write(canvas: Canvas, text: str) -> None:
    font = "Helvetica" if text.isascii() else _chinese()
    width, height = A4
    lines = canvas.beginText(MARGIN_PT, height - MARGIN_PT)
    lines.setFont(font, SIZE_PT)
    for paragraph in text.split("\n"):
        for line in _wrapped(paragraph, font, width - 2 * MARGIN_PT):
            lines.textLine(line)
    canvas.drawText(lines)


def _wrapped(paragraph: str, font: str, width: float) -> Sequence[str]:
    if paragraph.isascii():
        return simpleSplit(paragraph, font, SIZE_PT, width) or [""]
    letters = int(width / SIZE_PT)
    return [paragraph[at : at + letters] for at in range(0, len(paragraph), letters)]


@cache
def _chinese() -> str:
    pdfmetrics.registerFont(UnicodeCIDFont(CHINESE_FONT))
    return CHINESE_FONT


def markdown(folder: Path, text: str, *, name: str = "made.md") -> Path:
    return written(folder, text.encode(), name)


def gbk(folder: Path, text: str, *, name: str = "made.txt") -> Path:
    return written(folder, text.encode("gbk"), name)


def written(folder: Path, content: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
