"""The part of a text where what was searched for stands, with the words marked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from chat.search.terms import Query

BEFORE_CHARS = 24
CHARS = 140
BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Snippet:
    """Plain text; `marks` are the places in it that were searched for, as start and end."""

    text: str
    marks: tuple[tuple[int, int], ...]

    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The text in order, and whether each piece is marked."""
        at = 0
        for start, end in self.marks:
            yield self.text[at:start], False
            yield self.text[start:end], True
            at = end
        yield self.text[at:], False


def snippet(text: str, query: Query, chars: int = CHARS) -> Snippet:
    spans = query.spans(text)
    first = spans[0][0] if spans else 0
    start = _word_start(text, max(0, first - BEFORE_CHARS), first)
    # Blanks are folded into one, so that more than `chars` of the original may fit.
    cut = BLANKS.sub(" ", text[start : start + 4 * chars]).strip()
    shown = cut[:chars]
    is_cut = len(cut) > chars or start + 4 * chars < len(text)
    shown = f"{'…' if start else ''}{shown}{'…' if is_cut else ''}"
    return Snippet(shown, tuple(query.spans(shown)))


def _word_start(text: str, start: int, first: int) -> int:
    """At a blank, where there is one, rather than inside a word."""
    blank = text.find(" ", start, first) if start else -1
    return start if blank < 0 else blank + 1
