"""A Qdrant server or cluster: a collection for each dimension, whose points say whose they are."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import islice
from typing import Any
from uuid import UUID

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from .filters import (
    DOCUMENT,
    FIELDS,
    AnyOf,
    Clause,
    Filters,
    Match,
    Not,
    Prefix,
    Range,
    Substring,
    clauses,
    payload,
)
from .fusion import depth, fuse
from .types import Dense, Hit, IndexUnavailable, Point, Space, Sparse, checked

DENSE = "dense"
WORDS = "words"
SPACE = "space"
# People wait for a search: an absent server is told within 3 s.
SEARCH_TIMEOUT_S = 2
WRITE_TIMEOUT_S = 60
BATCH = 256
PAUSES_S = (0.2, 1.0)
CONFLICT = 409

INDEXED: dict[str, models.PayloadSchemaType | models.KeywordIndexParams] = {
    SPACE: models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True),
    DOCUMENT: models.PayloadSchemaType.INTEGER,
    FIELDS: models.PayloadSchemaType.KEYWORD,
}


def connect(
    url: str, *, api_key: str = "", search_timeout_s: int = SEARCH_TIMEOUT_S
) -> tuple[QdrantClient, QdrantClient]:
    """Clients for searching and for writing; nothing is sent before they are used."""
    return _client(url, api_key, search_timeout_s), _client(url, api_key, WRITE_TIMEOUT_S)


def _client(url: str, api_key: str, timeout_s: int) -> QdrantClient:
    return QdrantClient(url, api_key=api_key or None, timeout=timeout_s, check_compatibility=False)


def only(space: Space, *more: Clause) -> models.Filter:
    """What confines a call to its space. There is no other way to build a filter here."""
    mine = models.FieldCondition(key=SPACE, match=models.MatchValue(value=space.id.hex))
    return models.Filter(must=[mine, *(_condition(each) for each in more)])


class Server:
    """The clients are a pair from `connect`; tests give one of them in memory."""

    def __init__(
        self, clients: tuple[QdrantClient, QdrantClient], *, pauses_s: Sequence[float] = PAUSES_S
    ) -> None:
        self._searching, self._writing = clients
        self._pauses_s = pauses_s
        self._known: set[str] = set()

    def put(self, space: Space, points: Iterable[Point]) -> None:
        left = iter(points)
        while batch := list(islice(left, BATCH)):
            made = [_point(space, each) for each in batch]
            self._write(partial(self._upsert, space, made))

    def remove_documents(self, space: Space, documents: Iterable[int]) -> None:
        numbers = tuple(documents)
        if numbers:
            self._write(partial(self._delete, only(space, Match(DOCUMENT, numbers)), space))

    def drop(self, space: Space) -> None:
        self._write(partial(self._delete, only(space), space))

    def count(self, space: Space) -> int:
        with self._asking():
            if not self._exists(self._searching, space):
                return 0
            return self._searching.count(_collection(space), only(space), exact=True).count

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
        checked(space, dense, needed=False)
        if documents is not None and not documents:
            return []
        deep = depth(limit, stages=(dense is not None) + (sparse is not None))
        asked = _requests(space, dense, sparse, clauses(filters, documents), limit=deep)
        with self._asking():
            if not asked or not self._exists(self._searching, space):
                return []
            answers = self._searching.query_batch_points(_collection(space), asked)
        found = iter(
            [[(_chunk(space, hit.id), hit.score) for hit in each.points] for each in answers]
        )
        return fuse(
            next(found) if dense is not None else None,
            next(found) if sparse is not None else None,
            limit=limit,
        )

    def close(self) -> None:
        self._searching.close()
        self._writing.close()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            with _told():
                yield
        except IndexUnavailable:
            # Somebody may have removed the collection.
            self._known.clear()
            raise

    def _upsert(self, space: Space, points: list[models.PointStruct]) -> None:
        if not self._exists(self._writing, space):
            self._create(space)
        self._writing.upsert(_collection(space), points, wait=True)

    def _delete(self, chosen: models.Filter, space: Space) -> None:
        if self._exists(self._writing, space):
            selector = models.FilterSelector(filter=chosen)
            self._writing.delete(_collection(space), selector, wait=True)

    def _exists(self, client: QdrantClient, space: Space) -> bool:
        name = _collection(space)
        if name not in self._known and client.collection_exists(name):
            self._known.add(name)
        return name in self._known

    def _create(self, space: Space) -> None:
        """Two workers may do so at once: who comes second finds it there."""
        name = _collection(space)
        try:
            self._writing.create_collection(
                name,
                vectors_config=_vectors(space.dimension),
                sparse_vectors_config={
                    WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)
                },
                # A graph for each space instead of one for all of them.
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
            )
        except UnexpectedResponse as error:
            if error.status_code != CONFLICT:
                raise
        for field, schema in INDEXED.items():
            self._writing.create_payload_index(name, field, schema, wait=True)

    def _write(self, attempt: Callable[[], None]) -> None:
        """Writing twice does no harm, so a server that is busy for a moment is asked again."""
        for pause_s in (*self._pauses_s, None):
            try:
                with self._asking():
                    return attempt()
            except IndexUnavailable:
                if pause_s is None:
                    raise
                time.sleep(pause_s)


def _collection(space: Space) -> str:
    return f"chunks_{space.dimension}"


def _vectors(dimension: int) -> dict[str, models.VectorParams]:
    if not dimension:
        return {}
    return {DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)}


def _requests(
    space: Space,
    dense: "Dense | None",
    words: "Sparse | None",
    must: Sequence[Clause],
    *,
    limit: int,
) -> list[models.QueryRequest]:
    chosen = only(space, *must)
    # How rare a word is depends on the space alone, not on its neighbours in the collection.
    rarity = models.SearchParams(idf=models.IdfCorpusParams(corpus=only(space)))
    asked = []
    if dense is not None:
        asked.append(
            models.QueryRequest(query=dense.tolist(), using=DENSE, filter=chosen, limit=limit)
        )
    if words is not None:
        asked.append(
            models.QueryRequest(
                query=_sparse(words), using=WORDS, filter=chosen, limit=limit, params=rarity
            )
        )
    return asked


def _point(space: Space, each: Point) -> models.PointStruct:
    checked(space, each.dense, needed=True)
    vectors: dict[str, Any] = {WORDS: _sparse(each.sparse)}
    if each.dense is not None:
        vectors[DENSE] = each.dense.tolist()
    kept = payload(each.document, each.metadata) | {SPACE: space.id.hex}
    return models.PointStruct(id=str(_mixed(space, each.id)), vector=vectors, payload=kept)


def _sparse(vector: Sparse) -> models.SparseVector:
    return models.SparseVector(indices=vector[0].tolist(), values=vector[1].tolist())


def _mixed(space: Space, chunk: UUID) -> UUID:
    """Two generations of an index may hold the same chunks in the same collection. Mixing twice
    gives the chunk back."""
    return UUID(int=chunk.int ^ _mask(space.id))


@lru_cache
def _mask(space_id: UUID) -> int:
    # Not the id itself, of which the chunks' ids may be made.
    return int.from_bytes(blake2b(space_id.bytes, digest_size=16).digest())


def _chunk(space: Space, point_id: object) -> UUID:
    return _mixed(space, UUID(str(point_id)))


def _condition(clause: Clause) -> models.Condition:
    match clause:
        case Not():
            return models.Filter(must_not=[_condition(clause.clause)])
        case AnyOf():
            return models.Filter(should=[_condition(each) for each in clause.clauses])
        case Match():
            values = models.MatchAny(any=list(clause.values))
            return models.FieldCondition(key=clause.key, match=values)
        case Prefix():
            return models.FieldCondition(
                key=clause.key, match=models.MatchPrefix(prefix=clause.text)
            )
        case Substring():
            part = models.MatchSubstring(substring=clause.text)
            return models.FieldCondition(key=clause.key, match=part)
        case Range():
            limits = models.Range(
                gte=clause.at_least, gt=clause.above, lte=clause.at_most, lt=clause.below
            )
            return models.FieldCondition(key=clause.key, range=limits)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ApiException, QdrantException, httpx.HTTPError) as error:
        raise IndexUnavailable(f"Qdrant does not answer: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Without the answer's body, which may repeat what was sent."""
    if isinstance(error, UnexpectedResponse):
        return f"{error.status_code} {error.reason_phrase}"
    return str(error) or type(error).__name__
