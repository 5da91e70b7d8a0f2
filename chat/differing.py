"""What two texts have in common, word by word. Chinese, which has no spaces, by character."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from chat.columns import Side

# A word, a sign of Chinese, Japanese or Korean, a run of spaces, or any other sign.
WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯豈-﫿]|[^\W぀-ヿ㐀-鿿가-힯豈-﫿]+|\s+|[^\w\s]")
LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Above this many words the comparison would take seconds: then it goes by lines.
WORDS_MAX = 3000


@dataclass(frozen=True)
class Piece:
    """`kind` is `same`, `left` (only there) or `right`."""

    kind: str
    text: str


@dataclass(frozen=True)
class Difference:
    pieces: tuple[Piece, ...]
    is_by_line: bool
    similarity: float
    """The share of the text that both have, 0 to 1."""

    @property
    def left(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind != "right"]

    @property
    def right(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.kind != "left"]

    @property
    def percent(self) -> int:
        """Rounded down: only what is the same is 100 % the same."""
        return int(self.similarity * 100)


def difference(left: str, right: str) -> Difference:
    words = WORD.findall(left), WORD.findall(right)
    is_by_line = max(map(len, words)) > WORDS_MAX
    parts = (LINE.findall(left), LINE.findall(right)) if is_by_line else words
    pieces = tuple(_joined(_pieces(*parts)))
    same = sum(len(piece.text) for piece in pieces if piece.kind == "same")
    whole = len(left) + len(right)
    return Difference(pieces, is_by_line, 2 * same / whole if whole else 1.0)


def compared(left: Side, right: Side, number: int = 0) -> Difference:
    """The answers of two columns in round `number`, 0 for the last. Raises ValidationError."""
    number = number or min(left.rounds, right.rounds)
    if not 0 < number <= min(left.rounds, right.rounds):
        raise ValidationError({"round": [_("There is no such round.")]})
    return difference(left.answers[number - 1].content, right.answers[number - 1].content)


def _pieces(left: Sequence[str], right: Sequence[str]) -> Iterator[Piece]:
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    for kind, left_from, left_to, right_from, right_to in matcher.get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(left[left_from:left_to]))
            continue
        yield Piece("left", "".join(left[left_from:left_to]))
        yield Piece("right", "".join(right[right_from:right_to]))


def _joined(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """A space between two changed words belongs to the change: one mark instead of three."""
    parts = [piece for piece in pieces if piece.text]
    found: list[Piece] = []
    for index, piece in enumerate(parts):
        is_gap = piece.kind == "same" and piece.text.strip(" ") == ""
        if is_gap and 0 < index < len(parts) - 1:
            found += [Piece("left", piece.text), Piece("right", piece.text)]
        else:
            found.append(piece)
    for is_same, run in groupby(found, key=lambda piece: piece.kind == "same"):
        several = list(run)
        for kind in ("same",) if is_same else ("left", "right"):
            text = "".join(piece.text for piece in several if piece.kind == kind)
            if text:
                yield Piece(kind, text)
