"""Markdown: its own text is kept, its parts are told apart."""

from collections.abc import Iterator
from itertools import accumulate

from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowledge.reading import plain
from knowledge.reading.types import (
    CODE,
    HEADING,
    LIST,
    MARKDOWN,
    PARAGRAPH,
    TABLE,
    Block,
    Parsed,
)

KINDS = {
    **{"heading_open": HEADING, "table_open": TABLE, "fence": CODE, "code_block": CODE},
    **{"bullet_list_open": LIST, "ordered_list_open": LIST},
}
# A longer one is read as plain text: the parser needs a second for a megabyte or two.
MAX_CHARS = 20_000_000
TABLE_HEAD = 2


def load(content: bytes) -> Parsed:
    text = plain.text_of(content)
    if len(text) > MAX_CHARS:
        return Parsed(text, list(plain.paragraphs(text)), media_type=MARKDOWN)
    blocks = list(_blocks(text))
    title = next((text[b.start : b.end] for b in blocks if b.kind == HEADING), "")
    return Parsed(text, blocks, title=title.strip("#=- \n"), media_type=MARKDOWN)


def _blocks(text: str) -> Iterator[Block]:
    """The outermost ones; what the parser gives none for (link definitions) is a paragraph."""
    begins = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    at = 0
    for token in _tokens(text):
        if token.level or token.map is None or token.nesting < 0:
            continue
        first, last = (min(begins[line], len(text)) for line in token.map)
        yield from _between(text, at, first)
        yield from _block(token, text, first, last)
        at = max(at, last)
    yield from _between(text, at, len(text))


def _tokens(text: str) -> list[Token]:
    # No inline rules are needed: what a line means within itself changes no block.
    return MarkdownIt("commonmark").enable("table").disable("inline").parse(text)


def _block(token: Token, text: str, first: int, last: int) -> Iterator[Block]:
    kind = KINDS.get(token.type, PARAGRAPH)
    level = {HEADING: int(token.tag[1:] or 0) if kind == HEADING else 0, TABLE: TABLE_HEAD}
    for start, end in _trimmed(text, first, last):
        yield Block(kind, level.get(kind, 0), start, end)


def _between(text: str, first: int, last: int) -> Iterator[Block]:
    for start, end in _trimmed(text, first, last):
        yield Block(PARAGRAPH, 0, start, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    part = text[start:end]
    if kept := part.strip():
        start += len(part) - len(part.lstrip())
        yield start, start + len(kept)
