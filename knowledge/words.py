"""What texts are found by: their terms, and how much each of them weighs."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from itertools import chain, filterfalse
from threading import Lock
from typing import TYPE_CHECKING

from llmplatform.arrays import np

if TYPE_CHECKING:
    import Stemmer
    from numpy.typing import NDArray

# Usual values of BM25: how soon a repeated term adds nothing, how much long texts are held back.
K1 = 1.5
B = 0.75
LONGEST_TERM = 64
CACHED = 200_000

_HAN = "々〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Scripts without spaces between words that are no Chinese: Thai to Khmer, kana, Hangul.
_DENSE = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u1100-\u11ff\uac00-\ud7af"
# Accents on their own, wide letters and digits, narrow kana, doubled ideographs, ligatures.
_UNUSUAL = re.compile(
    "[\u0300-\u036f\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f\uf900-\ufaff\ufb00-\ufb06"
    "\u2010-\u2011\u2e80-\u2fdf\u00aa-\u00be\u2070-\u209c\u2460-\u24ff\u3200-\u33ff]"
)
_HAN_RUN = re.compile(f"[{_HAN}]+")
_PART = rf"[^\W_{_HAN}]"
# A word, or a code that is held together: x-200, v1.2.3, snake_case, a.b@example.com, 1,000, c++.
_WORD = re.compile(
    rf"{_PART}+(?:(?:[-._@'’+]|,(?=\d\d\d)){_PART}+)*(?:\+\+(?!\w)|#(?!\w))?",
)
_DENSE_RUN = re.compile(f"[{_DENSE}]+")
_PLAIN = re.compile(r"[a-z0-9]+")
_DECIMAL = re.compile(r"\d+\.\d+")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_JOINTS = re.compile(r"[-._@'’+,#]+")

# Words that nearly every text has and no question is about.
_STOP_WORDS = (
    "a an the and or of to in on at by for from with as is are was were be been it its this that "
    "these those i you he she we they do does did not no so if than then there here what which who "
    "的 了 着 过 是 在 和 与 及 或 也 都 就 而 被 把 对 于 从 到 由 为 之 其 这 那 这个 "
    "那个 我 你 您 他 她 它 我们 你们 他们 吗 呢 吧 啊 嘛 有 没有 不 一个 什么 怎么 哪 哪些 哪个 "
    "這 這個 個 為 與 對 於 從 們 嗎 沒有 什麼 怎麼 過 著"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
# What segmentation leaves between two runs of Chinese.
_DROPPED = STOP_WORDS | {" "}


def terms(text: str) -> list[str]:
    """The terms of a text, repeated as often as they occur, in no promised order. Compounds come
    with their parts; a code comes whole (without hyphens) and in parts."""
    # Punctuation is dropped anyway, and with it nearly all that normalising would change: a sixth
    # of the time for most texts.
    plain = unicodedata.normalize("NFKC", text) if _UNUSUAL.search(text) else text
    plain = plain.lower()
    han = _segment(" ".join(_HAN_RUN.findall(plain)))
    words = _WORD.findall(plain)
    found = list(filterfalse(_DROPPED.__contains__, han))
    found.extend(chain.from_iterable(map(_known.__getitem__, words)))
    return found


def sparse(
    found: Iterable[str], *, average: float, k1: float = K1, b: float = B
) -> tuple["NDArray[np.uint32]", "NDArray[np.float32]"]:
    """Terms of a document as BM25 sees them, without the rarity of terms, which the index knows.
    `average` is the usual number of terms of a document."""
    ids, counts = _counted(found)
    length = float(counts.sum())
    norm = k1 * (1 - b + b * length / max(average, 1.0))
    return ids, counts * np.float32(k1 + 1) / (counts + np.float32(norm))


def sparse_query(
    found: Iterable[str],
) -> tuple["NDArray[np.uint32]", "NDArray[np.float32]"]:
    """Terms of a question, each as often as it was asked for."""
    return _counted(found)


def _counted(
    found: Iterable[str],
) -> tuple["NDArray[np.uint32]", "NDArray[np.float32]"]:
    counter = Counter(found)
    ids = np.fromiter(map(_numbers.__getitem__, counter), np.uint32, len(counter))
    counts = np.fromiter(counter.values(), np.float32, len(counter))
    if len(set(ids.tolist())) == len(ids):
        return ids, counts
    # Two terms of one number, once in a million texts, are one for the index.
    once, places = np.unique(ids, return_inverse=True)
    return once, np.bincount(places, weights=counts).astype(np.float32)


class _Terms(dict[str, tuple[str, ...]]):
    """The terms of a word, kept: languages repeat themselves."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        if len(self) >= CACHED:
            self.clear()
        found = tuple(term for term in _terms_of(word) if term and term not in STOP_WORDS)
        # Whole sentences of scripts without spaces do not come again.
        if len(word) <= LONGEST_TERM:
            self[word] = found
        return found


class _Numbers(dict[str, int]):
    """A term's number in the index: the same on every machine and for ever."""

    def __missing__(self, term: str) -> int:
        if len(self) >= CACHED:
            self.clear()
        number = int.from_bytes(blake2b(term.encode(), digest_size=4).digest(), "little")
        self[term] = number
        return number


_known = _Terms()
_numbers = _Numbers()
_stemming = Lock()


def _terms_of(word: str) -> list[str]:
    if word in STOP_WORDS:
        return []
    if _DENSE_RUN.search(word):
        return [
            *_pairs(word),
            *chain(*(_terms_of(part) for part in _DENSE_RUN.split(word) if part)),
        ]
    if _GROUPED.fullmatch(word):
        return [word.replace(",", "")]
    parts = [part for part in _JOINTS.split(word) if part]
    if _DECIMAL.fullmatch(word) or (len(parts) == 1 and parts[0] == word):
        return [_stem(word)]
    return _code(word, parts)


def _code(word: str, parts: list[str]) -> list[str]:
    """The whole, what stands on both sides of an @, and the parts: `x-200` gives x200, x, 200."""
    if "'" in word or "’" in word:
        return [_stem(word.replace("’", "'"))]
    sides = word.split("@") if "@" in word else []
    whole = [each.replace("-", "")[:LONGEST_TERM] for each in (word, *sides)]
    return list(dict.fromkeys([*whole, *(_stem(part) for part in parts)]))


def _pairs(word: str) -> list[str]:
    """Two characters at a time, as is usual where no dictionary tells words apart."""
    found: list[str] = []
    for run in _DENSE_RUN.findall(word):
        found += [run[at : at + 2] for at in range(len(run) - 1)] or [run]
    return found


def _stem(word: str) -> str:
    """English by Snowball; accents are left out, as people leave them out."""
    if not word.isascii():
        apart = unicodedata.normalize("NFD", word)
        word = "".join(each for each in apart if not unicodedata.combining(each))
    if not word.isascii() or word.isdigit():
        return word[:LONGEST_TERM]
    with _stemming:
        return str(_stemmer().stemWord(word[:LONGEST_TERM]))


def _segment(han: str) -> list[str]:
    if not han:
        return []
    # Its dictionary is 34 MB of memory, which processes that read no text never pay.
    import rjieba

    return rjieba.cut_for_search(han)


@cache
def _stemmer() -> "Stemmer.Stemmer":
    import Stemmer

    # It keeps nothing itself (0) and may not be shared by threads: hence our own cache and lock.
    return Stemmer.Stemmer("english", 0)
