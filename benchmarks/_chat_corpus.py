"""What people and models say to each other, by chance but with the frequencies of language: words
of Chinese and of English by Zipf's law, questions short, answers longer. The same every time.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import accumulate, product

SYLLABLES = ["".join(p) for p in product("bcdfglmnprstv", "aeiou", ["", "n", "r", "s"])]
CHINESE_WORDS, ENGLISH_WORDS, CHARACTERS = 20_000, 12_000, 3_500
# Natural logarithms of words: 10 in a question, 65 in an answer.
QUESTION, ANSWER = 2.3, 4.2


def _zipf(count: int, flat: int) -> list[float]:
    return list(accumulate(1 / (rank + flat) for rank in range(count)))


class Corpus:
    """`chinese` and `english` are its words, the most common first."""

    def __init__(self, seed: int = 7) -> None:
        self._draw = random.Random(seed)
        letters = [chr(code) for code in self._draw.sample(range(0x4E00, 0x9FA6), CHARACTERS)]
        self.chinese = self._words(CHINESE_WORDS, (8, 60, 20, 12), letters, _zipf(CHARACTERS, 10))
        even = [float(number + 1) for number in range(len(SYLLABLES))]
        self.english = self._words(ENGLISH_WORDS, (10, 40, 35, 15), SYLLABLES, even)
        self._pools = [
            self._draw.choices(words, cum_weights=_zipf(len(words), 3), k=1_000_000)
            for words in (self.chinese, self.english)
        ]

    def _words(
        self, count: int, shares: Sequence[int], letters: Sequence[str], weights: Sequence[float]
    ) -> list[str]:
        """Of one to four letters with these shares, letters with these weights summed up."""
        found: dict[str, None] = {}
        while len(found) < count:
            length = self._draw.choices((1, 2, 3, 4), shares)[0]
            found["".join(self._draw.choices(letters, cum_weights=weights, k=length))] = None
        return list(found)

    def texts(self, count: int) -> Iterator[str]:
        """Questions and answers in turns."""
        for number in range(count):
            length = ANSWER if number % 2 else QUESTION
            yield self._text(round(self._draw.lognormvariate(length, 0.6)))

    def _text(self, words: int) -> str:
        parts = []
        while words >= 0:
            many = min(words + 1, self._draw.randint(4, 12))
            words -= many
            is_english = self._draw.random() < 0.3
            pool = self._pools[is_english]
            at = self._draw.randrange(len(pool) - many)
            said = pool[at : at + many]
            parts.append(f"{' '.join(said)}. " if is_english else f"{''.join(said)}，")
        return "".join(parts).strip()
