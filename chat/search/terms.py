"""What is found by what: words by how they begin, scripts without spaces by any part.

An index of any database holds numbers, each for a piece of text of one person: the first letters of
a word, a character, two neighbouring characters. Two people share none, so that nobody's search can
reach what another wrote. What holds the numbers is a candidate; `Query.is_in` decides.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import pairwise
from zlib import crc32

# Han, kana, hangul, Thai, Lao, Burmese, Khmer: written without spaces, or with endings on words.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3040-\u30ff\u3130-\u318f\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
LETTER = rf"[^\W_{UNSPACED}]"
RUN = re.compile(rf"([{UNSPACED}]+)|({LETTER}+)")
# Of these lengths the beginnings of a word are in the index.
BEGINNINGS = (1, 2, 3, 4, 6, 8, 12)


class _Folding(dict[int, str]):
    """Full width and compatible forms, then case: one character at a time, for `str.translate`."""

    def __missing__(self, code: int) -> str:
        folded = self[code] = unicodedata.normalize("NFKC", chr(code)).casefold()
        return folded


FOLDING = _Folding()


def folded(text: str) -> str:
    return text.translate(FOLDING)


def _pairs(run: str) -> Iterator[str]:
    return map("".join, pairwise(run))


def _beginnings(word: str) -> list[str]:
    return [word[:length] for length in BEGINNINGS if length <= len(word)]


def _pieces(text: str) -> set[str]:
    """All that the index holds of a text."""
    pieces: set[str] = set()
    for unspaced, word in set(RUN.findall(folded(text))):
        if word:
            pieces.update(_beginnings(word))
        else:
            pieces.update(unspaced)
            pieces.update(_pairs(unspaced))
    return pieces


def _numbers(owner_id: int, pieces: Iterable[str]) -> list[int]:
    """32 bits with a sign; two pieces that share one are told apart by `Query.is_in`."""
    start = crc32(b"%d " % owner_id)
    return sorted({crc32(piece.encode(), start) - 2**31 for piece in pieces})


def terms_of(owner_id: int, text: str) -> list[int]:
    return _numbers(owner_id, _pieces(text))


class Query:
    """What one person typed. All of its words must be in a text, in any order."""

    def __init__(self, text: str) -> None:
        runs = dict.fromkeys(RUN.findall(folded(text)))
        self.unspaced = [unspaced for unspaced, _word in runs if unspaced]
        self.words = [word for _unspaced, word in runs if word]

    def __bool__(self) -> bool:
        return bool(self.unspaced or self.words)

    def terms(self, owner_id: int) -> list[int]:
        """Numbers that every text which holds this has, of the longest pieces."""
        pieces: set[str] = set()
        for word in self.words:
            pieces.add(_beginnings(word)[-1])
        for run in self.unspaced:
            pieces.update(_pairs(run) if len(run) > 1 else run)
        return _numbers(owner_id, pieces)

    @cached_property
    def _patterns(self) -> list[re.Pattern[str]]:
        begins = [rf"(?<!{LETTER}){re.escape(word)}" for word in self.words]
        return [re.compile(pattern) for pattern in [*begins, *map(re.escape, self.unspaced)]]

    def is_in(self, text: str) -> bool:
        plain = folded(text)
        return all(pattern.search(plain) for pattern in self._patterns)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where in `text` its words stand, in order; what overlaps or touches is one."""
        plain = folded(text)
        places = _places(text) if len(plain) != len(text) else range(len(text) + 1)
        found = sorted(
            (places[match.start()], places[match.end() - 1] + 1)
            for pattern in self._patterns
            for match in pattern.finditer(plain)
        )
        merged: list[tuple[int, int]] = []
        for start, end in found:
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged


def _places(text: str) -> list[int]:
    """Of each folded character, where in `text` it comes from."""
    return [at for at, letter in enumerate(text) for _folded in folded(letter)]
