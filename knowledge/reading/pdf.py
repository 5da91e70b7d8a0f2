"""PDF: the text of each page, its headings where the outline names them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from knowledge.reading import fonts, pagetext
from knowledge.reading.types import (
    HEADING,
    PAGE_BREAK,
    PARAGRAPH,
    PDF,
    Block,
    Note,
    Parsed,
    Unreadable,
)

MAX_PAGES = 10_000
MAX_CHARS = 200_000_000
MAX_LEVEL = 6
# As many pages are named to a person.
NAMED = 20


def load(path: Path) -> Parsed:
    fonts.read_with_squares()
    with opened(path) as document:
        if len(document) > MAX_PAGES:
            raise Unreadable("pdf_limits", {"pages": len(document), "most": MAX_PAGES})
        texts = list(_texts(document))
        headings = _outline(document)
        title = _title(document)
    pages = _begins(texts)
    blocks = [
        block
        for index, (text, begin) in enumerate(zip(texts, pages, strict=True))
        for block in _blocks(text, begin, index + 1, headings.get(index, {}))
    ]
    if not blocks:
        raise Unreadable("no_text")
    return Parsed(PAGE_BREAK.join(texts), blocks, pages, title, list(_notes(texts)), PDF)


@contextmanager
def opened(path: Path) -> Iterator[pdfium.PdfDocument]:
    """Raises Unreadable."""
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        is_locked = error.err_code == raw.FPDF_ERR_PASSWORD
        raise Unreadable("pdf_encrypted" if is_locked else "broken") from error
    with closing(document):
        if not len(document):
            raise Unreadable("broken")
        yield document


def drawn_text(page: pdfium.PdfPage) -> str:
    """As pdfium gives it, before any edit."""
    with closing(page.get_textpage()) as text:
        drawn: str = text.get_text_range(errors="replace")
    return drawn


def _texts(document: pdfium.PdfDocument) -> Iterator[str]:
    total = 0
    for index in range(len(document)):
        text = _text(document, index)
        total += len(text)
        if total > MAX_CHARS:
            raise Unreadable("too_large", {"mb": MAX_CHARS // 1_000_000})
        yield text


def _text(document: pdfium.PdfDocument, index: int) -> str:
    try:
        page = document[index]
    except pdfium.PdfiumError:  # one that is broken is one without text
        return ""
    with closing(page):
        try:
            drawn = drawn_text(page)
        except pdfium.PdfiumError:
            return ""
    return pagetext.applied(drawn, pagetext.edits(drawn))


def _begins(texts: list[str]) -> list[int]:
    begins, at = [], 0
    for text in texts:
        begins.append(at)
        at += len(text) + len(PAGE_BREAK)
    return begins


def _blocks(text: str, begin: int, page: int, headings: dict[str, int]) -> Iterator[Block]:
    """Its lines, which are paragraphs by now; `headings`: level by title without spaces."""
    at = begin
    for line in text.split("\n"):
        if kept := line.strip():
            start = at + line.index(kept)
            level = headings.get("".join(kept.split()), 0) if headings else 0
            kind = HEADING if level else PARAGRAPH
            yield Block(kind, level, start, start + len(kept), page)
        at += len(line) + 1


def _outline(document: pdfium.PdfDocument) -> dict[int, dict[str, int]]:
    """What the outline says is a heading, by page."""
    found: dict[int, dict[str, int]] = {}
    try:
        for item in document.get_toc(max_depth=MAX_LEVEL):
            target = item.get_dest()
            index = target.get_index() if target is not None else None
            title = "".join(item.get_title().split())
            if index is not None and title:
                found.setdefault(index, {}).setdefault(title, item.level + 1)
    except pdfium.PdfiumError:  # a document is more than its outline
        return found
    return found


def _title(document: pdfium.PdfDocument) -> str:
    title: str = document.get_metadata_value("Title")
    return " ".join(pagetext.applied(title, pagetext.edits(title)).split())


def _notes(texts: list[str]) -> Iterator[Note]:
    bare = [index + 1 for index, text in enumerate(texts) if not text]
    if bare:
        named = ", ".join(map(str, bare[:NAMED])) + (", …" if len(bare) > NAMED else "")
        yield Note("pages_without_text", {"pages": named, "count": len(bare)})
