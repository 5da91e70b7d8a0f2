"""Our words in those of Qdrant's engine, and its errors in ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from .filters import (
    DOCUMENT,
    AnyOf,
    Clause,
    Match,
    Not,
    Prefix,
    Range,
    Substring,
    is_number_key,
)
from .types import Dense, IndexUnavailable, Point, Sparse

DENSE = "dense"
WORDS = "words"
NEVER_KB = 10**9


def config(dimension: int) -> edge.EdgeConfig:
    """All vectors are compared with each question, in eight bits: 100,000 of 384 numbers take 2 ms;
    cosines are wrong by 0.001 at most. A graph takes minutes to build, and Python stands still."""
    dense = edge.EdgeVectorParams(
        max(dimension, 1), edge.Distance.Cosine, datatype=edge.VectorStorageDatatype.Turbo8
    )
    return edge.EdgeConfig(
        vectors={DENSE: dense} if dimension else None,
        # The rarity of words is counted by the engine: a space's folder holds nothing else.
        sparse_vectors={WORDS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
        hnsw_config=edge.HnswIndexConfig(m=0, ef_construct=4, full_scan_threshold=NEVER_KB),
        # Whatever there is, a compaction makes one part of it that is made for reading.
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1),
        max_search_threads=1,
        # What is not yet on disk is put again from the database.
        wal_enabled=False,
    )


def schema(key: str) -> edge.PayloadSchemaType | edge.KeywordIndexParams:
    """How a field is indexed; without an index every chunk's payload would be read for a filter."""
    if key == DOCUMENT:
        return edge.PayloadSchemaType.Integer
    if is_number_key(key):
        return edge.PayloadSchemaType.Float
    return edge.KeywordIndexParams(prefix=True)


def point(each: Point, kept: dict[str, Any]) -> edge.Point:
    vectors: dict[str, Any] = {WORDS: sparse(each.sparse)}
    if each.dense is not None:
        # Lists are three times as fast here as arrays.
        vectors[DENSE] = each.dense.tolist()
    return edge.Point(each.id, vectors, kept)


def sparse(vector: Sparse) -> edge.SparseVector:
    return edge.SparseVector(vector[0].tolist(), vector[1].tolist())


def requests(
    dense: "Dense | None", words: "Sparse | None", must: Sequence[Clause], *, limit: int
) -> list[edge.QueryRequest]:
    chosen = edge.Filter(must=[condition(each) for each in must]) if must else None
    queries = []
    if dense is not None:
        queries.append(edge.Query.Nearest(dense.tolist(), using=DENSE))
    if words is not None:
        queries.append(edge.Query.Nearest(sparse(words), using=WORDS))
    return [edge.QueryRequest(limit=limit, query=each, filter=chosen) for each in queries]


def found(answer: Sequence[edge.ScoredPoint]) -> list[tuple[UUID, float]]:
    return [(hit.id, hit.score) for hit in answer if isinstance(hit.id, UUID)]


def documents(numbers: Sequence[int]) -> edge.Filter:
    return edge.Filter(must=[condition(Match(DOCUMENT, tuple(numbers)))])


def condition(clause: Clause) -> edge.FieldCondition | edge.Filter:
    match clause:
        case Not():
            return edge.Filter(must_not=[condition(clause.clause)])
        case AnyOf():
            return edge.Filter(should=[condition(each) for each in clause.clauses])
        case Match():
            return edge.FieldCondition(clause.key, match=edge.MatchAny([*clause.values]))
        case Prefix():
            return edge.FieldCondition(clause.key, match=edge.MatchPrefix(clause.text))
        case Substring():
            return edge.FieldCondition(clause.key, match=edge.MatchSubstring(clause.text))
        case Range():
            limits = edge.RangeFloat(
                gte=clause.at_least, gt=clause.above, lte=clause.at_most, lt=clause.below
            )
            return edge.FieldCondition(clause.key, range=limits)


@contextmanager
def told() -> Iterator[None]:
    """The engine raises bare exceptions, and a panic of its own as a BaseException."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        raise IndexUnavailable(f"The embedded index failed: {error}") from error
