"""Which sentences of an answer its sources do not bear out.

By words, so that it costs nothing and is the same every time: a sentence is supported if enough of
what it says is said in one passage or in the passages that it cites, and every number of it as
well: a wrong one is the mistake that matters. It finds what was made up, not what was turned round
("is not"); the page says "not found in the sources", never "wrong".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge import words

# The part of a sentence's terms that its sources must have. Of 77 made sentences that rest on real
# passages, in Chinese and English, one is marked with it, and 29 of 33 that were planted.
ENOUGH = 0.5
# Shorter ones ("Yes.", a heading) claim nothing.
FEWEST_TERMS = 4

# A citation after the full stop belongs to the sentence before it.
_CITATION = r"[\[【]\s*\d{1,3}(?:\s*[,，、]\s*\d{1,3})*\s*[\]】]"
_SENTENCE = re.compile(
    rf"[^。！？!?；;\n]*?(?:[。！？!?；;]+|\.(?=\s|$|{_CITATION})|\n|$)(?:[ \t]*{_CITATION})*"
)
_CITED = re.compile(_CITATION)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_LEAD = re.compile(r"\s*(?:[-*+>]\s+|\d{1,3}[.)、]\s+)*")
_DIGITS = "零一二三四五六七八九"
_PLACES = ((1000, "千"), (100, "百"), (10, "十"))


@dataclass(frozen=True, slots=True)
class Claim:
    """`start` and `end`: characters of the answer."""

    start: int
    end: int
    support: float


@dataclass(frozen=True, slots=True)
class Source:
    """What a passage says: its terms, its numbers, and its text for numbers that are words."""

    terms: frozenset[str]
    numbers: frozenset[str]
    text: str

    @classmethod
    def of(cls, text: str) -> "Source":
        numbers = frozenset(map(_plain, _NUMBER.findall(text)))
        return cls(frozenset(words.terms(text)), numbers, text)

    def __or__(self, other: "Source") -> "Source":
        return Source(
            self.terms | other.terms, self.numbers | other.numbers, self.text + "\n" + other.text
        )

    def has(self, number: str) -> bool:
        return number in self.numbers or any(word in self.text for word in _in_words(number))


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends; code blocks, tables and headings are left out."""
    in_code, at = False, 0
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith(("|", "#")):
            for found in _SENTENCE.finditer(line):
                if found.group().strip():
                    yield at + found.start(), at + found.end()
        at += len(line)


def _plain(number: str) -> str:
    """Without the commas of thousands, and without zeros that say nothing."""
    plain = number.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain.lstrip("0") or "0"


def _in_words(number: str) -> list[str]:
    """How Chinese writes it: 25 as 二十五, 1990 as 一九九〇; nothing for a fraction."""
    if not number.isdecimal() or len(number) > 4:
        return []
    digits = "".join(_DIGITS[int(digit)] for digit in number)
    return [_spoken(int(number)), digits.replace("零", "〇"), digits]


def _spoken(number: int) -> str:
    found, is_gap = "", False
    for size, name in _PLACES:
        digit, number = divmod(number, size)
        if digit:
            found += ("零" if is_gap else "") + _DIGITS[digit] + name
        is_gap = bool(found) and not digit and number > 0
    found += ("零" if is_gap and number else "") + (_DIGITS[number] if number or not found else "")
    return found.removeprefix("一") if found.startswith("一十") else found


def support_of(sentence: str, sources: Sequence[Source]) -> float | None:
    """0 to 1: how much of it the best source has, or those together that it cites; 0 with a number
    that they do not have. None if it claims nothing."""
    cited = {int(n) for found in _CITED.findall(sentence) for n in _NUMBER.findall(found)}
    text = _LEAD.sub("", _CITED.sub(" ", sentence), count=1)
    terms = set(words.terms(text))
    if len(terms) < FEWEST_TERMS:
        return None
    named = [sources[n - 1] for n in sorted(cited) if 0 < n <= len(sources)]
    for each in named[1:]:
        named[0] |= each
    numbers = set(map(_plain, _NUMBER.findall(text)))
    return max((_share(terms, numbers, each) for each in named[:1] or sources), default=0.0)


def _share(terms: set[str], numbers: set[str], source: Source) -> float:
    if not all(source.has(number) for number in numbers):
        return 0.0
    said = {term for term in terms if not _NUMBER.fullmatch(term)}
    return len(said & source.terms) / len(said) if said else 1.0


def unsupported(answer: str, passages: Sequence[str]) -> list[Claim]:
    """The sentences that no passage bears out, in their order; none without passages."""
    if not passages:
        return []
    known = [Source.of(text) for text in passages]
    claims = []
    for start, end in sentences(answer):
        share = support_of(answer[start:end], known)
        if share is not None and share < ENOUGH:
            claims.append(Claim(start, end, round(share, 3)))
    return claims
