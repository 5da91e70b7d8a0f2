"""What the stages found, in one order.

| stage | `score` orders | `relevance` for thresholds |
|---|---|---|
| dense | cosine, 0 at least | the same |
| lexical | s / (s + 10) of the BM25 sum s: 0.5 where a few rare words were found | the same |
| both | reciprocal ranks: 1 is first in both, 0.5 first in one of them only | the better of both |

Ranks say nothing of how good the best hit is (the first of nothing useful has the first rank, too),
which is why a threshold has a number of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from .types import Hit

# The usual constant of reciprocal rank fusion: how little the first ranks differ.
RANK_OFFSET = 60
# The BM25 sum that counts as half relevant.
HALF_RELEVANT = 10.0
# How deep each stage is asked before their ranks are fused.
DEPTH = 50

Found = Sequence[tuple[UUID, float]]


@dataclass(slots=True)
class _Both:
    dense_rank: int | None = None
    dense_score: float | None = None
    lexical_rank: int | None = None
    lexical_score: float | None = None

    @property
    def relevance(self) -> float:
        cosine = max(self.dense_score or 0.0, 0.0)
        words = max(self.lexical_score or 0.0, 0.0)
        return min(max(cosine, words / (words + HALF_RELEVANT)), 1.0)

    @property
    def reciprocal(self) -> float:
        ranks = [rank for rank in (self.dense_rank, self.lexical_rank) if rank]
        return sum((RANK_OFFSET + 1) / (RANK_OFFSET + rank) for rank in ranks) / 2


def depth(limit: int, *, stages: int) -> int:
    return limit if stages == 1 else max(2 * limit, DEPTH)


def fuse(dense: Found | None, lexical: Found | None, *, limit: int) -> list[Hit]:
    """None for a stage that was not asked."""
    found: dict[UUID, _Both] = {}
    for rank, (chunk, score) in enumerate(dense or (), 1):
        found[chunk] = _Both(dense_rank=rank, dense_score=score)
    for rank, (chunk, score) in enumerate(lexical or (), 1):
        both = found.setdefault(chunk, _Both())
        both.lexical_rank, both.lexical_score = rank, score
    is_hybrid = dense is not None and lexical is not None
    scored = [
        (-(both.reciprocal if is_hybrid else both.relevance), -both.relevance, chunk)
        for chunk, both in found.items()
    ]
    # Equal scores keep one order wherever they are asked for.
    scored.sort()
    return [_hit(chunk, -score, found[chunk]) for score, _relevance, chunk in scored[:limit]]


def _hit(chunk: UUID, score: float, both: _Both) -> Hit:
    return Hit(
        chunk,
        score,
        both.relevance,
        both.dense_rank,
        both.dense_score,
        both.lexical_rank,
        both.lexical_score,
    )
