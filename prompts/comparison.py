"""Two versions of a text, line by line, and within a changed line word by word."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from prompts.variables import Variable

# Words and spaces; of scripts without spaces each character.
PIECES = re.compile(r"[A-Za-z0-9_À-ɏ]+|\s+|.", re.DOTALL)
# Longer lines are shown whole: word by word would take its time.
PIECES_MAX = 2000
LIKE_ENOUGH = 0.3


@dataclass(frozen=True)
class Piece:
    text: str
    is_changed: bool


@dataclass(frozen=True)
class Line:
    """`kind` is same, removed or added; numbers are those of the lines on their side."""

    kind: str
    pieces: tuple[Piece, ...]
    left: int | None = None
    right: int | None = None

    @property
    def text(self) -> str:
        return "".join(piece.text for piece in self.pieces)


def _whole(line: str) -> tuple[Piece, ...]:
    return (Piece(line, False),)


def _pieces(left: str, right: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lines with what differs marked; unlike lines whole."""
    words = PIECES.findall(left), PIECES.findall(right)
    if max(map(len, words)) > PIECES_MAX:
        return _whole(left), _whole(right)
    matcher = SequenceMatcher(None, *words, autojunk=False)
    if matcher.ratio() < LIKE_ENOUGH:
        return _whole(left), _whole(right)
    sides: tuple[list[Piece], list[Piece]] = ([], [])
    for tag, a, b, c, d in matcher.get_opcodes():
        for side, found in zip(sides, (words[0][a:b], words[1][c:d]), strict=True):
            if found:
                side.append(Piece("".join(found), tag != "equal"))
    return tuple(sides[0]), tuple(sides[1])


def _changed(old: Sequence[str], new: Sequence[str], left: int, right: int) -> Iterator[Line]:
    """Lines that took the place of others: pairs are compared, the rest is whole."""
    pairs = [_pieces(a, b) for a, b in zip(old, new, strict=False)]
    for place, line in enumerate(old):
        pieces = pairs[place][0] if place < len(pairs) else _whole(line)
        yield Line("removed", pieces, left=left + place + 1)
    for place, line in enumerate(new):
        pieces = pairs[place][1] if place < len(pairs) else _whole(line)
        yield Line("added", pieces, right=right + place + 1)


def lines_of(before: str, after: str) -> list[Line]:
    old, new = before.split("\n"), after.split("\n")
    found: list[Line] = []
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            numbers = zip(range(a, b), range(c, d), strict=True)
            found += [Line("same", _whole(old[i]), i + 1, j + 1) for i, j in numbers]
        else:
            found += _changed(old[a:b], new[c:d], a, c)
    return found


@dataclass(frozen=True)
class Difference:
    """What is said about a variable on each side; None where there is no such variable."""

    name: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None

    @property
    def rows(self) -> list[tuple[str, object, object]]:
        """(what, before, after) of what differs where it is on both sides; None: as usual."""
        old, new = self.before or {}, self.after or {}
        return [
            (key, old.get(key), new.get(key))
            for key in {**old, **new}
            if old.get(key) != new.get(key)
        ]


def variables_between(before: Iterable[Variable], after: Iterable[Variable]) -> list[Difference]:
    """Those that differ, in the order of the new text, then what is gone."""
    old, new = ({each.name: each.spec for each in side} for side in (before, after))
    names = [*new, *(name for name in old if name not in new)]
    found = [Difference(name, old.get(name), new.get(name)) for name in names]
    return [each for each in found if each.before != each.after]
