"""How near an answer is to the expected one. Standard library only.

Words of scripts that are written without spaces are counted by character, all others by word, so
that Chinese and English are measured by one rule and without a dictionary. All scores are 0 to 1.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Chinese characters, kana and Hangul one by one; elsewhere runs of letters and digits.
TOKEN = re.compile(
    "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0002ffff]"
    "|[^\\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0002ffff]+"
)
BLEU_ORDER = 4
# The table of a longest common subsequence grows with the product of both lengths.
COMPARED_TOKENS = 2000


@dataclass(frozen=True)
class Score:
    exact: float
    rouge_1: float
    rouge_2: float
    rouge_l: float
    bleu: float

    def as_json(self) -> dict[str, float]:
        return {name: round(value, 4) for name, value in vars(self).items()}


def tokens_of(text: str) -> list[str]:
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def score(answer: str, expected: str) -> Score:
    found, wanted = tokens_of(answer)[:COMPARED_TOKENS], tokens_of(expected)[:COMPARED_TOKENS]
    return Score(
        exact=float(_plain(answer) == _plain(expected)),
        rouge_1=_f1(_shared(found, wanted, 1), len(found), len(wanted)),
        rouge_2=_f1(_shared(found, wanted, 2), len(found) - 1, len(wanted) - 1),
        rouge_l=_f1(_common_subsequence(found, wanted), len(found), len(wanted)),
        bleu=_bleu(found, wanted),
    )


def _plain(text: str) -> str:
    """Spaces and case don't make an answer another one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


def _shared(found: Sequence[str], wanted: Sequence[str], order: int) -> int:
    return (_grams(found, order) & _grams(wanted, order)).total()


def _f1(shared: int, found: int, wanted: int) -> float:
    return 2 * shared / (found + wanted) if shared and found + wanted > 0 else 0.0


def _common_subsequence(found: Sequence[str], wanted: Sequence[str]) -> int:
    """Its length."""
    row = [0] * (len(wanted) + 1)
    for token in found:
        diagonal = 0
        for j, other in enumerate(wanted, start=1):
            above = row[j]
            row[j] = diagonal + 1 if token == other else max(above, row[j - 1])
            diagonal = above
    return row[-1]


def _bleu(found: Sequence[str], wanted: Sequence[str]) -> float:
    """BLEU of one sentence, up to four tokens in a row; orders above one get one shared and one
    counted run for free, or short sentences would all be at 0 (the smoothing of Lin and Och)."""
    if not found or not wanted:
        return 0.0
    logs = []
    for order in range(1, min(BLEU_ORDER, len(wanted)) + 1):
        extra = int(order > 1)
        shared = _shared(found, wanted, order) + extra
        counted = max(0, len(found) - order + 1) + extra
        if not shared:
            return 0.0
        logs.append(math.log(shared / counted))
    brevity = min(0.0, 1 - len(wanted) / len(found))
    return math.exp(brevity + sum(logs) / len(logs))
