"""Which loader reads a file: by what is in it. The name only tells kinds of text apart."""

import re
from collections.abc import Callable
from pathlib import Path, PurePath

from knowledge.reading import archives, docx, html, markdown, pdf, plain, sheets
from knowledge.reading.types import Parsed, Unreadable

HEAD = 1024
PDF_MARK = b"%PDF-"
ZIP_MARKS = (b"PK\x03\x04", b"PK\x05\x06")
OLE_MARK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# An encrypted office document is an OLE container with a stream of this name.
OLE_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
HTML_BEGIN = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,500}?-->\s*)?"
    rb"<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
BY_NAME: dict[str, Callable[[bytes], Parsed]] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), markdown.load),
    **dict.fromkeys((".html", ".htm", ".xhtml"), html.load),
    **dict.fromkeys((".csv", ".tsv"), sheets.load_csv),
}


def load(path: Path, name: str) -> Parsed:
    """Raises Unreadable."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Unreadable("empty")
    parsed = _pdf(path, head) or _office(path, head) or _text(path, name, head)
    if not parsed.blocks:
        raise Unreadable("empty")
    return parsed


def _pdf(path: Path, head: bytes) -> Parsed | None:
    """Readers of PDF look for its mark in the first thousand bytes: what is PDF and something else
    at once is PDF. A text that only speaks of the mark is not."""
    if PDF_MARK not in head:
        return None
    try:
        return pdf.load(path)
    except Unreadable as problem:
        if problem.code == "broken" and not head.startswith(PDF_MARK):
            return None
        raise


def _office(path: Path, head: bytes) -> Parsed | None:
    if head.startswith(OLE_MARK):
        is_encrypted = OLE_ENCRYPTED in path.read_bytes()
        raise Unreadable("encrypted" if is_encrypted else "old_office")
    if not head.startswith(ZIP_MARKS):
        return None
    with archives.opened(path) as archive:
        names = set(archive.namelist())
    if docx.MAIN in names:
        return docx.load(path)
    if sheets.MAIN & names:
        return sheets.load_xlsx(path)
    raise Unreadable("unknown_type")


def _text(path: Path, name: str, head: bytes) -> Parsed:
    if path.stat().st_size > plain.MAX_BYTES:
        raise Unreadable("too_large", {"mb": plain.MAX_BYTES // 1024**2})
    named = BY_NAME.get(PurePath(name).suffix.lower(), plain.load)
    loader = html.load if HTML_BEGIN.match(head) else named
    return loader(path.read_bytes())
