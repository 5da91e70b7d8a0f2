"""Plain text files: a record for each paragraph, line or block of characters."""

import codecs
from collections.abc import Iterator
from enum import StrEnum

from training.formats.items import Item, too_long
from training.formats.splitting import MAX_RECORD_BYTES

# A block may end earlier than asked, where a line, a sentence or a word ends.
SLACK = 5
ENDS = ("\n", "。", "！", "？", ". ", "! ", "? ", "，", ", ", " ")


class Split(StrEnum):
    PARAGRAPHS = "paragraphs"
    LINES = "lines"
    BLOCKS = "blocks"


def _texts(chunks: Iterator[bytes]) -> Iterator[str]:
    """Decoded, with every kind of line end as one."""
    decoder, held = codecs.getincrementaldecoder("utf-8")(), ""
    for chunk in chunks:
        text = held + decoder.decode(chunk)
        # The other half of a line end may follow.
        held = "\r" if text.endswith("\r") else ""
        text = text.removesuffix("\r")
        yield text.replace("\r\n", "\n").replace("\r", "\n")
    if held:
        yield "\n"


def _lines(chunks: Iterator[bytes]) -> Iterator[tuple[int, str | None]]:
    """Numbered lines without their ends; None for one too long to hold."""
    number, rest, is_long = 1, "", False
    for text in _texts(chunks):
        *whole, last = text.split("\n")
        for part in whole:
            yield number, None if is_long else rest + part
            number, rest, is_long = number + 1, "", False
        rest += last
        if len(rest) > MAX_RECORD_BYTES:
            rest, is_long = "", True
    if rest or is_long:
        yield number, None if is_long else rest


def lines_in(chunks: Iterator[bytes]) -> Iterator[Item]:
    """Every line that is not blank."""
    for number, line in _lines(chunks):
        if line is None or line.strip():
            yield _item(number, line)


def paragraphs_of(chunks: Iterator[bytes]) -> Iterator[Item]:
    """Lines up to the next blank one."""
    start, held, size = 0, list[str](), 0
    for number, line in _lines(chunks):
        if line is not None and not line.strip():
            if start:
                yield _item(start, None if size > MAX_RECORD_BYTES else "\n".join(held))
            start, held, size = 0, [], 0
            continue
        start = start or number
        size += MAX_RECORD_BYTES + 1 if line is None else len(line) + 1
        if line is None or size > MAX_RECORD_BYTES:
            held = []
        else:
            held.append(line)
    if start:
        yield _item(start, None if size > MAX_RECORD_BYTES else "\n".join(held))


def blocks_of(chunks: Iterator[bytes], chars: int) -> Iterator[Item]:
    """Blocks of at most `chars` characters; blank ones are left out."""
    line, held = 1, ""
    for text in _texts(chunks):
        held += text
        start = 0
        while len(held) - start > chars:
            end = _end_of_block(held, start, chars)
            block = held[start:end]
            if block.strip():
                yield _item(line + _leading_lines(block), block.strip())
            line += block.count("\n")
            start = end
        held = held[start:]
    if held.strip():
        yield _item(line + _leading_lines(held), held.strip())


def _leading_lines(block: str) -> int:
    return block[: len(block) - len(block.lstrip())].count("\n")


def _end_of_block(text: str, start: int, chars: int) -> int:
    """Behind the best mark in the last part of the block, else where it is full."""
    full = start + chars
    earliest = full - chars // SLACK
    for mark in ENDS:
        found = text.rfind(mark, earliest, full)
        if found >= 0:
            return found + len(mark)
    return full


def _item(line: int, text: str | None) -> Item:
    if text is None or len(text.encode()) > MAX_RECORD_BYTES:
        return Item(line, problem=too_long())
    return Item(line, {"text": text})
