"""Small real files of every kind that is read, made in a folder."""

import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
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


def html(folder: Path, body: str, *, title: str = "", name: str = "made.html") -> Path:
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return written(folder, f"<!DOCTYPE html><html>{head}<body>{body}</body></html>".encode(), name)


def zipped(folder: Path, parts: Mapping[str, str | bytes], name: str) -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return path


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "application/vnd.openxmlformats-officedocument"

Row = Sequence[str | float]


def docx(
    folder: Path,
    paragraphs: Sequence[tuple[str, str] | Sequence[Sequence[str]]],
    *,
    title: str = "",
    name: str = "made.docx",
    prolog: str = "",
) -> Path:
    """Paragraphs are (style, text), the style "", "List" or "Heading1" to 6; tables are rows."""
    body = "".join(
        _word_paragraph(*each) if isinstance(each, tuple) else _word_table(each)
        for each in paragraphs
    )
    parts = {
        "[Content_Types].xml": _types({"/word/document.xml": "wordprocessingml.document.main"}),
        "_rels/.rels": _relations({"rId1": ("officeDocument", "word/document.xml")}),
        "docProps/core.xml": f'<c xmlns:d="http://purl.org/dc/elements/1.1/"><d:title>{escape(title)}'
        "</d:title></c>",
        "word/styles.xml": f'<w:styles xmlns:w="{WORD}">{_word_styles()}</w:styles>',
        "word/document.xml": f'{prolog}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body>'
        "</w:document>",
    }
    return zipped(folder, parts, name)


def _word_styles() -> str:
    headings = (
        f'<w:style w:styleId="Heading{level}"><w:name w:val="heading {level}"/></w:style>'
        for level in range(1, 7)
    )
    listed = '<w:style w:styleId="List"><w:name w:val="List"/><w:pPr><w:numPr/></w:pPr></w:style>'
    return "".join([*headings, listed])


def _word_paragraph(style: str, text: str) -> str:
    look = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{look}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def _word_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<w:tc>{_word_paragraph('', cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def xlsx(folder: Path, sheets: Mapping[str, Sequence[Row]], *, name: str = "made.xlsx") -> Path:
    """Each sheet with its rows."""
    numbered = list(enumerate(sheets.items(), start=1))
    listed = "".join(
        f'<sheet name="{escape(title)}" sheetId="{number}" r:id="rId{number}"/>'
        for number, (title, _rows) in numbered
    )
    parts = {
        "[Content_Types].xml": _types(
            {
                "/xl/workbook.xml": "spreadsheetml.sheet.main",
                **{f"/xl/sheet{number}.xml": "spreadsheetml.worksheet" for number, _s in numbered},
            }
        ),
        "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/_rels/workbook.xml.rels": _relations(
            {f"rId{number}": ("worksheet", f"sheet{number}.xml") for number, _s in numbered}
        ),
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{RELATED}">'
        f"<sheets>{listed}</sheets></workbook>",
        **{f"xl/sheet{number}.xml": _sheet(rows) for number, (_title, rows) in numbered},
    }
    return zipped(folder, parts, name)


def _sheet(rows: Sequence[Row]) -> str:
    said = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    return f'<worksheet xmlns="{SHEET}"><sheetData>{said}</sheetData></worksheet>'


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value}</v></c>"


def _types(parts: Mapping[str, str]) -> str:
    said = "".join(
        f'<Override PartName="{part}" ContentType="{OFFICE}.{kind}+xml"/>'
        for part, kind in parts.items()
    )
    return (
        f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="xml" '
        f'ContentType="application/xml"/><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{said}</Types>'
    )


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    said = "".join(
        f'<Relationship Id="{key}" Type="{RELATED}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'<Relationships xmlns="{PACKAGE}/relationships">{said}</Relationships>'
