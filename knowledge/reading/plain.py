"""Text files, and what the loaders have in common: text that can be kept."""

import re
from collections.abc import Iterator

from knowledge.reading.types import PARAGRAPH, PLAIN, Block, Parsed, Unreadable
from llmplatform.encodings import decoded

# What the child process has the memory for, but for rare letters: those need four bytes each there.
MAX_BYTES = 200 * 1024**2
# NUL breaks PostgreSQL, lone surrogates UTF-8; form feeds are the pages of a PDF; the others are
# never meant to be seen.
UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufeff\ufffe\uffff\ud800-\udfff]")
BREAK = re.compile(r"\n[ \t\u3000]*\n\s*")


def clean(text: str) -> str:
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return UNWANTED.sub(_plain, text) if UNWANTED.search(text) else text


def _plain(found: re.Match[str]) -> str:
    return "\n" if found[0] in "\x0b\x0c" else ""


def text_of(content: bytes) -> str:
    """Raises Unreadable where it is none."""
    if len(content) > MAX_BYTES:
        raise Unreadable("too_large", {"mb": MAX_BYTES // 1024**2})
    text = decoded(content)
    if text is None:
        raise Unreadable("unknown_type")
    return clean(text)


def load(content: bytes) -> Parsed:
    text = text_of(content)
    del content  # as large as the text, which is all that is needed from here on
    return Parsed(text, list(paragraphs(text)), media_type=PLAIN)


def paragraphs(text: str) -> Iterator[Block]:
    """What stands between empty lines."""
    start, last = len(text) - len(text.lstrip()), len(text.rstrip())
    for found in BREAK.finditer(text, start, last):
        yield Block(PARAGRAPH, 0, start, found.start())
        start = found.end()
    if start < last:
        yield Block(PARAGRAPH, 0, start, last)
