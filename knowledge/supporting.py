"""Which sentences of an answer its sources do not bear out.

By words, so that it costs nothing and is the same every time: a sentence is supported if most of
what it says, by weight, is said in one passage or in the passages that it cites. Numbers count
more than words: a wrong one is the mistake that matters. It finds what was made up, not what was
turned round ("is not"); the page says "not found in the sources", never "wrong".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knowledge import words

# Of the weight of a sentence's terms that one passage must have.
ENOUGH = 0.55
NUMBER_WEIGHT = 3.0
# Shorter ones ("Yes.", a heading) claim nothing.
FEWEST_TERMS = 4

_SENTENCE = re.compile(r"[^。！？!?；;\n]*?(?:[。！？!?；;]+|\.(?=\s|$)|\n|$)", re.S)
_CITED = re.compile(r"\[(\d{1,2})\]")
_NUMBER = re.compile(r"^\d[\d.,]*$")


@dataclass(frozen=True, slots=True)
class Claim:
    """`start` and `end`: characters of the answer."""

    start: int
    end: int
    support: float


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each begins and ends; code blocks and tables are left out."""
    in_code, at = False, 0
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.lstrip().startswith(("|", "#")):
            for found in _SENTENCE.finditer(line):
                if found.group().strip():
                    yield at + found.start(), at + found.end()
        at += len(line)


def _weights(text: str) -> dict[str, float]:
    found = set(words.terms(_CITED.sub(" ", text)))
    return {term: NUMBER_WEIGHT if _NUMBER.match(term) else 1.0 for term in found}


def support_of(sentence: str, passages: Sequence[set[str]]) -> float | None:
    """0 to 1: how much of it the best passage has, or those together that it cites. None if it
    claims nothing."""
    weights = _weights(sentence)
    if len(weights) < FEWEST_TERMS:
        return None
    cited = {int(number) for number in _CITED.findall(sentence)}
    named = [passages[n - 1] for n in sorted(cited) if 0 < n <= len(passages)]
    sources = [set().union(*named)] if named else list(passages)
    total = sum(weights.values())
    shares = [sum(w for term, w in weights.items() if term in each) / total for each in sources]
    return max(shares, default=0.0)


def unsupported(answer: str, passages: Sequence[str]) -> list[Claim]:
    """The sentences that no passage bears out, in their order; none without passages."""
    if not passages:
        return []
    known = [set(words.terms(text)) for text in passages]
    claims = []
    for start, end in sentences(answer):
        share = support_of(answer[start:end], known)
        if share is not None and share < ENOUGH:
            claims.append(Claim(start, end, round(share, 3)))
    return claims
