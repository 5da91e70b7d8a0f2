"""Which loader reads a file: by what is in it. The name only tells kinds of text apart."""

from pathlib import Path, PurePath

from knowledge.reading import markdown, pdf, plain
from knowledge.reading.types import Parsed, Unreadable

HEAD = 1024
MARKDOWN_NAMES = {".md", ".markdown", ".mdown", ".mkd"}


def load(path: Path, name: str) -> Parsed:
    """Raises Unreadable."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise Unreadable("empty")
    # Readers of PDF look for its mark in the first thousand bytes, so that one may begin as HTML.
    parsed = pdf.load(path) if b"%PDF-" in head else _text(path, name)
    if not parsed.text.strip():
        raise Unreadable("empty")
    return parsed


def _text(path: Path, name: str) -> Parsed:
    if path.stat().st_size > plain.MAX_BYTES:
        raise Unreadable("too_large", {"mb": plain.MAX_BYTES // 1024**2})
    ending = PurePath(name).suffix.lower()
    loader = markdown.load if ending in MARKDOWN_NAMES else plain.load
    return loader(path.read_bytes())
