"""The text of a page as a person would copy it, from the one its letters are drawn in.

Both what is read and where a passage is marked on its page come from the same list of edits, so
that every character of the document leads back to the letters it came from.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

# A hyphen at the end of a line where a word goes on; pdfium writes one of these for it.
HYPHENS = "\x02\ufffe\xad"
# Words drawn with a ligature or a radical sign look like others and are found by nobody.
LOOKALIKES = "\ufb00-\ufb06\u2e80-\u2fd5\uf900-\ufaff"
ODD = re.compile(
    f"[{HYPHENS}]?\r?\n|[{LOOKALIKES}]|[{HYPHENS}\x00-\x08\x0b-\x1f\x7f\ufeff\uffff\ud800-\udfff]"
)
DENSE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u30ff\U00020000-\U0003ffff]")
# What begins a line that does not go on from the one before.
ITEM = re.compile(r"\s*(?:[-*•·●○■□▪–—]\s|\(?[0-9]{1,3}[.)、]|[(（][一二三四五六七八九十]+[)）])")
# A line that is shorter than this part of the widest ended because its paragraph did.
FULL = 0.8


class Edit(NamedTuple):
    """`drawn[start:end]` is read as `text`."""

    start: int
    end: int
    text: str


def edits(drawn: str) -> list[Edit]:
    """In order, without overlap."""
    text = drawn.rstrip()
    begin = len(text) - len(text.lstrip())
    found = [Edit(0, begin, "")] if begin else []
    found += _edits(text, begin)
    if len(text) < len(drawn):
        found.append(Edit(len(text), len(drawn), ""))
    return found


def _edits(text: str, begin: int) -> Iterator[Edit]:
    widest = _widest(text)
    line = begin
    for odd in ODD.finditer(text, begin):
        start, end = odd.span()
        if not odd[0].endswith("\n"):
            yield Edit(start, end, _normal(odd[0]))
            continue
        is_full = _width(text[line:start]) >= FULL * widest
        yield Edit(start, end, _joint(text, start, end, is_full))
        line = end


def _normal(letter: str) -> str:
    return unicodedata.normalize("NFKC", letter) if letter.isprintable() else ""


def _joint(text: str, start: int, end: int, is_full: bool) -> str:
    """What stands for a line's end: nothing, a space or a new line."""
    if text[start] in HYPHENS:
        return ""
    if not is_full or ITEM.match(text, end) or text[end : end + 1] in "\r\n":
        return "\n"
    before, after = text[start - 1 : start], text[end : end + 1]
    if before == " " or after == " " or (DENSE.match(before) and DENSE.match(after)):
        return ""
    return " "


def _widest(text: str) -> float:
    """Of the lines, but for the few that stick out."""
    widths = sorted(_width(line) for line in text.split("\n"))
    return widths[min(len(widths) - 1, int(0.95 * len(widths)))]


def _width(line: str) -> int:
    line = line.rstrip("\r ")
    return len(line) + (0 if line.isascii() else len(DENSE.findall(line)))


def applied(drawn: str, changes: list[Edit]) -> str:
    parts: list[str] = []
    at = 0
    for edit in changes:
        parts += drawn[at : edit.start], edit.text
        at = edit.end
    return "".join([*parts, drawn[at:]])


def origins(drawn: str, changes: list[Edit]) -> list[tuple[int, int]]:
    """For each character of the text, the range of drawn letters that it came from."""
    found, at = [], 0
    for edit in changes:
        found += [(index, index + 1) for index in range(at, edit.start)]
        found += [(edit.start, edit.end)] * len(edit.text)
        at = edit.end
    return found + [(index, index + 1) for index in range(at, len(drawn))]
