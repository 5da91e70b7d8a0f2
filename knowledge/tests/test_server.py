"""With a Qdrant server: the worker tells it, searches ask it, and its absence is said."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from qdrant_client import QdrantClient

from conftest import free_port
from knowledge import documents, finding, forgetting, indexing, queues
from knowledge.index.server import Server, connect
from knowledge.models import Base, Chunk, Document
from knowledge.tests.conftest import Ingested

WARRANTY = "The warranty lasts two years."


def _in_memory() -> Server:
    client = QdrantClient(":memory:")
    return Server((client, client))


@pytest.fixture
def server(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Qdrant's own stand-in within the process."""
    settings.QDRANT_URL = "http://127.0.0.1:1"
    made = _in_memory()
    monkeypatch.setattr(indexing, "the_index", lambda: made)
    monkeypatch.setattr(indexing, "forget_index", lambda: None)
    return made


def _find(base: Base) -> Any:
    settings = finding.Settings.of(base)
    return finding.find_in(base, "warranty", user=base.owner, settings=settings)


def test_the_worker_tells_it(base: Base, server: Server, ingested: Ingested) -> None:
    document = ingested(WARRANTY)
    assert [each.text for each in _find(base).passages] == [WARRANTY]
    space = base.spaces.get()
    assert server.count(indexing.place_of(space)) == Chunk.objects.count() == 1
    documents.delete_document(document=document, actor=base.owner)
    assert [each.text for each in _find(base).passages] == []
    assert queues.behind().count() == 1


def test_telling_it_twice_changes_nothing(
    base: Base, server: Server, ingested: Ingested, work: Callable[[], int]
) -> None:
    ingested(WARRANTY)
    space = base.spaces.get()
    base.spaces.update(applied=0)
    work()
    assert server.count(indexing.place_of(space)) == 1
    assert not queues.behind().exists()


def test_while_it_is_away_documents_are_read_and_told_later(
    base: Base,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[], int],
) -> None:
    settings.QDRANT_URL = f"http://127.0.0.1:{free_port()}"
    away = Server(connect(settings.QDRANT_URL))
    monkeypatch.setattr(indexing, "the_index", lambda: away)
    monkeypatch.setattr(indexing, "forget_index", lambda: None)
    content = BytesIO(WARRANTY.encode())
    documents.add_document(base=base, file=content, name="a.txt", actor=base.owner)
    work()
    assert Document.objects.get().status == "ready"
    found = _find(base)
    assert list(found.passages) == []
    assert [remark.code for remark in found.remarks] == ["unavailable"]
    back = _in_memory()
    monkeypatch.setattr(indexing, "the_index", lambda: back)
    work()
    assert [each.text for each in _find(base).passages] == [WARRANTY]


def test_what_was_replaced_is_dropped(
    base: Base, server: Server, ingested: Ingested, work: Callable[[], int]
) -> None:
    ingested(WARRANTY)
    space = base.spaces.get()
    base.spaces.update(status="retired")
    forgetting.forget()
    assert server.count(indexing.place_of(space)) == 0
    assert not base.spaces.exists()
