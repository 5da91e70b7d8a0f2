from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias
from uuid import UUID

from .filters import Filters

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Numbers of terms and their weights, as `knowledge.words.sparse` makes them.
Sparse: TypeAlias = "tuple[NDArray[np.uint32], NDArray[np.float32]]"
Dense: TypeAlias = "NDArray[np.float32]"
Value = str | int | float | bool | datetime | Sequence[str] | Sequence[float] | None


class IndexUnavailable(Exception):
    """The index cannot be reached or does not answer in time; nothing is known of what it holds."""


@dataclass(frozen=True)
class Space:
    """One generation of one knowledge base's index. Another model for its vectors is another space,
    built while the first one answers. Dimension 0: words only."""

    id: UUID
    dimension: int


@dataclass(frozen=True, slots=True)
class Point:
    """One chunk. The id is the same whenever the same document is cut in the same way, so that
    putting it again replaces it. Metadata: see `Filters`."""

    id: UUID
    document: int
    sparse: Sparse
    dense: "Dense | None" = None
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found. Ranks begin at 1; None where a stage did not find it.

    `score` orders the hits and `relevance` is what a threshold is compared with; both lie between
    0 and 1, see `fusion`. `dense_score` is the cosine, `lexical_score` the BM25 sum as it is.
    """

    chunk: UUID
    score: float
    relevance: float
    dense_rank: int | None = None
    dense_score: float | None = None
    lexical_rank: int | None = None
    lexical_score: float | None = None


class Index(Protocol):
    """Every call raises IndexUnavailable; ValueError for a vector of another dimension."""

    def put(self, space: Space, points: Iterable[Point]) -> None: ...

    def remove_documents(self, space: Space, documents: Iterable[int]) -> None: ...

    def drop(self, space: Space) -> None: ...

    def count(self, space: Space) -> int: ...

    def search(
        self,
        space: Space,
        *,
        dense: "Dense | None" = None,
        sparse: "Sparse | None" = None,
        limit: int,
        filters: Filters | None = None,
        documents: Sequence[int] | None = None,
    ) -> list[Hit]:
        """The best hits first. With both vectors, both stages are asked and their ranks fused.
        `documents` restricts the search to these; an empty list finds nothing."""
        ...


def checked(space: Space, dense: "Dense | None", *, needed: bool) -> None:
    """A vector that does not fit is a mistake of the caller, not of the index."""
    size = 0 if dense is None else len(dense)
    if size != space.dimension and (needed or size):
        raise ValueError(
            f"The space has vectors of {space.dimension} numbers, this one has {size}."
        )
