"""What only the index on a server does: it is shared by all spaces, and it may be away."""

import socket
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException

from knowledge.index import Index, IndexUnavailable, Space, server
from knowledge.index.filters import Clause
from knowledge.index.server import Server, connect
from knowledge.tests import test_index as contract
from knowledge.tests.test_index import asked, numbers, point, vector

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local"),
    pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection"),
]


@pytest.fixture
def client() -> QdrantClient:
    return QdrantClient(":memory:")


@pytest.fixture
def index(client: QdrantClient) -> Server:
    return Server((client, client))


@pytest.fixture
def space() -> Space:
    return Space(uuid4(), 3)


def unconfined(space: Space, *more: Clause) -> models.Filter:
    """`only` with the confinement forgotten."""
    return models.Filter(
        must=[each for each in _real_only(space, *more).must or [] if not _is_space(each)]
    )


_real_only = server.only


def _is_space(condition: object) -> bool:
    return isinstance(condition, models.FieldCondition) and condition.key == server.SPACE


@pytest.mark.parametrize(
    "check", [contract.test_spaces_are_apart, contract.test_rarity_is_that_of_the_space]
)
def test_the_contract_notices_a_missing_confinement(
    index: Server, monkeypatch: pytest.MonkeyPatch, check: Callable[[Index, Space], None]
) -> None:
    check(index, Space(uuid4(), 3))
    monkeypatch.setattr(server, "only", unconfined)
    with pytest.raises(AssertionError):
        check(index, Space(uuid4(), 3))


def test_every_call_is_confined_by_that_one_function(
    index: Server, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them reaches the neighbour once it is switched off."""
    other = Space(uuid4(), 3)
    index.put(other, [point(1, "word"), point(2, "word", document=2)])
    index.put(space, [point(1, "word")])
    monkeypatch.setattr(server, "only", unconfined)
    assert index.count(space) == 3
    assert len(index.search(space, dense=vector(1, 0, 0), limit=9)) == 3
    assert len(index.search(space, sparse=asked("word"), limit=9)) == 3
    index.remove_documents(space, [2])
    index.drop(space)
    monkeypatch.undo()
    assert index.count(other) == 0


def test_no_point_can_claim_another_space(
    index: Server, client: QdrantClient, space: Space
) -> None:
    index.put(space, [point(1, "word", space="somebody else's")])
    (record,), _ = client.scroll("chunks_3", with_payload=True)
    assert record.payload and record.payload["space"] == space.id.hex


class Stumbling(QdrantClient):
    """Fails as often as it is told to, then works."""

    failures = 0

    def upsert(self, *arguments: Any, **options: Any) -> models.UpdateResult:
        if self.failures:
            self.failures -= 1
            raise ResponseHandlingException(OSError("reset by peer"))
        return super().upsert(*arguments, **options)


def test_writing_is_tried_again(space: Space) -> None:
    client = Stumbling(":memory:")
    index = Server((client, client), pauses_s=(0, 0))
    client.failures = 2
    index.put(space, [point(1, "word")])
    assert numbers(index.search(space, sparse=asked("word"), limit=9)) == [1]
    client.failures = 3
    with pytest.raises(IndexUnavailable, match="reset by peer"):
        index.put(space, [point(2, "word")])


def test_an_absent_server_is_told(space: Space) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    index = Server(connect(f"http://127.0.0.1:{port}", api_key="secret"), pauses_s=())
    for call in _calls(index, space):
        with pytest.raises(IndexUnavailable) as raised:
            call()
        assert "secret" not in str(raised.value)


def test_a_server_that_never_answers_is_told(space: Space) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        index = Server(connect(url, search_timeout_s=1), pauses_s=())
        with pytest.raises(IndexUnavailable):
            index.search(space, sparse=asked("word"), limit=9)


def _calls(index: Server, space: Space) -> Iterator[Callable[[], object]]:
    yield lambda: index.search(space, sparse=asked("word"), limit=9)
    yield lambda: index.count(space)
    yield lambda: index.put(space, [point(1, "word")])
    yield lambda: index.remove_documents(space, [1])
    yield lambda: index.drop(space)
