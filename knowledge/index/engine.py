"""Our words in those of Qdrant's engine, and its errors in ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import qdrant_edge as edge

from .filters import DOCUMENT, FIELDS, AnyOf, Clause, Match, Not, Prefix, Range, Substring, payload
from .types import Dense, IndexUnavailable, Point, Sparse

DENSE = "dense"
WORDS = "words"
# Other fields of the metadata are searched without an index.
INDEXED = {
    DOCUMENT: edge.PayloadSchemaType.Integer,
    FIELDS: edge.PayloadSchemaType.Keyword,
}


def config(dimension: int) -> edge.EdgeConfig:
    vectors = {DENSE: edge.EdgeVectorParams(dimension, edge.Distance.Cosine)} if dimension else None
    return edge.EdgeConfig(
        vectors=vectors,
        # The rarity of words is counted by the engine: a space's folder holds nothing else.
        sparse_vectors={WORDS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
    )


def point(each: Point) -> edge.Point:
    vectors: dict[str, Any] = {WORDS: sparse(each.sparse)}
    if each.dense is not None:
        # Lists are three times as fast here as arrays.
        vectors[DENSE] = each.dense.tolist()
    return edge.Point(each.id, vectors, payload(each.document, each.metadata))


def sparse(vector: Sparse) -> edge.SparseVector:
    return edge.SparseVector(vector[0].tolist(), vector[1].tolist())


def requests(
    dense: Dense | None, words: Sparse | None, must: Sequence[Clause], *, limit: int
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
