"""One contract, kept by a folder of this machine and by a Qdrant server."""

import os
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from qdrant_client import QdrantClient

from knowledge.index import Condition, Filters, Hit, Index, Point, Space, open_folder
from knowledge.index import Operator as Op
from knowledge.index.server import Server, connect
from knowledge.index.types import Dense, Sparse, Value
from knowledge.words import sparse, sparse_query, terms

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local")

BACK_ENDS = ["folder", "memory", *(["server"] if os.environ.get("QDRANT_URL") else [])]


@pytest.fixture(params=BACK_ENDS)
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    if request.param == "folder":
        folder = open_folder(tmp_path / "index")
        yield folder
        folder.close()
    elif request.param == "memory":
        client = QdrantClient(":memory:")
        yield Server((client, client))
    else:
        key = os.environ.get("QDRANT_API_KEY", "")
        yield Server(connect(os.environ["QDRANT_URL"], api_key=key))


@pytest.fixture
def space(index: Index) -> Iterator[Space]:
    space = Space(uuid4(), 3)
    yield space
    index.drop(space)


def point(
    number: int,
    text: str = "",
    dense: tuple[float, ...] | None = (1, 0, 0),
    *,
    document: int = 1,
    **metadata: Value,
) -> Point:
    words = sparse(terms(text), average=5)
    vector = None if dense is None else np.array(dense, np.float32)
    return Point(UUID(int=number), document, words, vector, metadata)


def vector(*numbers: float) -> Dense:
    return np.array(numbers, np.float32)


def asked(text: str) -> Sparse:
    return sparse_query(terms(text))


def numbers(hits: list[Hit]) -> list[int]:
    return [hit.chunk.int for hit in hits]


def test_meaning_is_found_by_cosine(index: Index, space: Space) -> None:
    index.put(
        space, [point(1, dense=(1, 0, 0)), point(2, dense=(5, 5, 0)), point(3, dense=(-1, 0, 0))]
    )
    hits = index.search(space, dense=vector(2, 0, 0), limit=3)
    assert numbers(hits) == [1, 2, 3]
    assert [hit.dense_rank for hit in hits] == [1, 2, 3]
    assert [hit.dense_score for hit in hits] == pytest.approx([1, 0.7071, -1], abs=5e-3)
    assert [hit.relevance for hit in hits] == pytest.approx([1, 0.7071, 0], abs=5e-3)
    assert {hit.lexical_rank for hit in hits} == {None}


def test_words_are_found_in_both_languages(index: Index, space: Space) -> None:
    index.put(
        space,
        [
            point(1, "Reset the router before calling support"),
            point(2, "重启路由器之后再联系技术支持"),
            point(3, "报销流程与发票要求"),
        ],
    )
    assert numbers(index.search(space, sparse=asked("how to reset routers"), limit=5)) == [1]
    assert numbers(index.search(space, sparse=asked("路由器怎么重启"), limit=5)) == [2]
    assert index.search(space, sparse=asked("的"), limit=5) == []


def test_rare_words_weigh_more(index: Index, space: Space) -> None:
    common = [point(number, "printer manual") for number in range(10, 30)]
    index.put(space, [*common, point(1, "printer fuser"), point(2, "printer manual")])
    hits = index.search(space, sparse=asked("printer fuser"), limit=3)
    assert hits[0].chunk.int == 1
    assert (hits[0].lexical_score or 0) > 2 * (hits[1].lexical_score or 0)


def test_rarity_is_that_of_the_space(index: Index, space: Space) -> None:
    """Neighbours do not make a word common."""
    index.put(space, [point(1, "alpha beta"), point(2, "beta gamma")])
    (alone,) = index.search(space, sparse=asked("alpha"), limit=1)
    other = Space(uuid4(), 3)
    index.put(other, [point(number, "alpha") for number in range(100, 150)])
    (beside,) = index.search(space, sparse=asked("alpha"), limit=1)
    index.drop(other)
    assert beside.lexical_score == pytest.approx(alone.lexical_score)


def test_both_stages_are_fused(index: Index, space: Space) -> None:
    index.put(
        space,
        [
            point(1, "alpha beta", (1, 0, 0)),
            point(2, "alpha", (0, 1, 0)),
            point(3, "gamma", (0.9, 0.1, 0)),
        ],
    )
    hits = index.search(space, dense=vector(1, 0, 0), sparse=asked("alpha beta"), limit=3)
    assert hits[0].chunk.int == 1
    assert (hits[0].dense_rank, hits[0].lexical_rank, hits[0].score) == (1, 1, 1.0)
    by_number = {hit.chunk.int: hit for hit in hits}
    assert (by_number[3].dense_rank, by_number[3].lexical_rank) == (2, None)
    assert (by_number[2].dense_rank, by_number[2].lexical_rank) == (3, 2)
    assert all(0 <= hit.score <= 1 and 0 <= hit.relevance <= 1 for hit in hits)
    assert numbers(index.search(space, dense=vector(1, 0, 0), sparse=asked("alpha"), limit=1)) == [
        1
    ]


def test_putting_again_replaces(index: Index, space: Space) -> None:
    for text in ("old words", "new words"):
        index.put(space, [point(1, text)])
        index.put(space, [point(1, text)])
    assert index.count(space) == 1
    assert index.search(space, sparse=asked("old"), limit=5) == []
    assert numbers(index.search(space, sparse=asked("new"), limit=5)) == [1]


def test_documents_are_removed_and_chosen(index: Index, space: Space) -> None:
    index.put(space, [point(number, "word", document=number % 3) for number in range(9)])
    some = index.search(space, sparse=asked("word"), limit=9, documents=[1])
    assert sorted(numbers(some)) == [1, 4, 7]
    assert index.search(space, sparse=asked("word"), limit=9, documents=[]) == []
    index.remove_documents(space, [1, 2, 77])
    index.remove_documents(space, [])
    assert index.count(space) == 3
    assert sorted(numbers(index.search(space, dense=vector(1, 0, 0), limit=9))) == [0, 3, 6]


def test_a_dropped_space_is_empty_and_can_begin_again(index: Index, space: Space) -> None:
    index.put(space, [point(1, "word")])
    index.drop(space)
    index.drop(space)
    assert index.count(space) == 0
    assert index.search(space, sparse=asked("word"), limit=5) == []
    index.put(space, [point(2, "word")])
    assert numbers(index.search(space, sparse=asked("word"), limit=5)) == [2]


def test_spaces_are_apart(index: Index, space: Space) -> None:
    """The next generation holds the same chunks; neither sees, counts or removes the other's."""
    other = Space(uuid4(), 3)
    index.put(space, [point(1, "word", space=str(other.id)), point(2, "word")])
    index.put(other, [point(1, "word", (0, 0, 1)), point(9, "word", (0, 0, 1))])
    assert sorted(numbers(index.search(space, sparse=asked("word"), limit=9))) == [1, 2]
    assert sorted(numbers(index.search(other, dense=vector(1, 0, 0), limit=9))) == [1, 9]
    index.remove_documents(other, [1])
    assert (index.count(space), index.count(other)) == (2, 0)
    index.drop(other)
    assert index.count(space) == 2


def test_a_space_without_vectors(index: Index) -> None:
    words_only = Space(uuid4(), 0)
    index.put(words_only, [point(1, "word", None)])
    assert numbers(index.search(words_only, sparse=asked("word"), limit=5)) == [1]
    with pytest.raises(ValueError, match="0 numbers"):
        index.search(words_only, dense=vector(1), limit=5)
    index.drop(words_only)


def test_vectors_of_another_dimension_are_refused(index: Index, space: Space) -> None:
    for dense in (None, (1, 2)):
        with pytest.raises(ValueError, match="3 numbers"):
            index.put(space, [point(1, "word", dense)])
    with pytest.raises(ValueError, match="3 numbers"):
        index.search(space, dense=vector(1, 2), limit=5)
    assert index.count(space) == 0


METADATA: dict[int, dict[str, Value]] = {
    1: {"author": "王小明", "year": 2023, "tags": ["红", "blue sky"], "draft": True},
    2: {"author": "Ann Lee", "year": 2024.5, "tags": ["green"], "draft": False},
    3: {"author": "", "year": None, "tags": []},
    4: {"author": "Lee", "a.b[] \"c'": "x", "year": [1999, 2024]},
}


CASES: list[tuple[str, Op, Value, set[int]]] = [
    ("author", Op.CONTAINS, "小", {1}),
    ("author", Op.CONTAINS, "Lee", {2, 4}),
    ("tags", Op.CONTAINS, "sky", {1}),
    ("author", Op.NOT_CONTAINS, "Lee", {1, 3}),
    ("author", Op.START_WITH, "Ann", {2}),
    ("author", Op.END_WITH, "Lee", {2, 4}),
    ("author", Op.END_WITH, "小明", {1}),
    ("author", Op.IS, "Lee", {4}),
    ("author", Op.IS_NOT, "Lee", {1, 2, 3}),
    ("tags", Op.IS, "红", {1}),
    ("draft", Op.IS, True, {1}),
    ("draft", Op.IS, False, {2}),
    ("author", Op.IN, ["Lee", "王小明"], {1, 4}),
    ("author", Op.IN, [], set()),
    ("author", Op.NOT_IN, ["Lee", "王小明"], {2, 3}),
    ("year", Op.IN, [2023, 1999], {1, 4}),
    ("author", Op.EMPTY, None, {3}),
    ("author", Op.NOT_EMPTY, None, {1, 2, 4}),
    ("tags", Op.EMPTY, None, {3, 4}),
    ("nothing", Op.EMPTY, None, {1, 2, 3, 4}),
    ("year", Op.EQUAL, 2023, {1}),
    ("year", Op.NOT_EQUAL, 2023, {2, 3, 4}),
    ("year", Op.GREATER, 2023, {2, 4}),
    ("year", Op.LESS, 2023, {4}),
    ("year", Op.AT_LEAST, 2024.5, {2}),
    ("year", Op.AT_MOST, 2023, {1, 4}),
    ("year", Op.BEFORE, 2000, {4}),
    ("year", Op.AFTER, 2024, {2}),
    ("a.b[] \"c'", Op.IS, "x", {4}),
]


def test_filters(index: Index, space: Space) -> None:
    index.put(space, [point(number, "word", **kept) for number, kept in METADATA.items()])
    for field, operator, value, expected in CASES:
        filters = Filters((Condition(field, operator, value),))
        for stage in ({"dense": vector(1, 0, 0)}, {"sparse": asked("word")}):
            found = index.search(space, **stage, limit=9, filters=filters)
            assert set(numbers(found)) == expected, (field, operator, value)


def test_filters_together(index: Index, space: Space) -> None:
    index.put(space, [point(number, "word", **kept) for number, kept in METADATA.items()])
    both = (Condition("author", Op.END_WITH, "Lee"), Condition("year", Op.LESS, 2000))
    dense = vector(1, 0, 0)
    found = [
        set(
            numbers(
                index.search(space, dense=dense, limit=9, filters=Filters(both, match_all=each))
            )
        )
        for each in (True, False)
    ]
    assert found == [{4}, {2, 4}]
    assert len(index.search(space, dense=dense, limit=9, filters=Filters(()))) == 4


@pytest.mark.parametrize("value", ["yesterday", None, ["a"]])
def test_a_limit_that_is_no_number_is_refused(index: Index, space: Space, value: Value) -> None:
    filters = Filters((Condition("year", Op.GREATER, value),))
    with pytest.raises(ValueError):
        index.search(space, dense=vector(1, 0, 0), limit=9, filters=filters)
