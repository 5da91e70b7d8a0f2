"""Bases to search: an index in a folder of its own for each test, and a worker's turns by hand."""

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.models import User
from knowledge import bases, documents, indexing, rounds
from knowledge.models import Base, Document
from knowledge.reading import Reader
from knowledge.tests.meaning import MeaningServer
from providers.models import ProviderModel
from providers.services import create_provider

Ingested = Callable[..., Document]


@pytest.fixture(autouse=True)
def _own_index(tmp_path: Path, settings: Any) -> Iterator[None]:
    settings.PLATFORM_DATA = tmp_path
    settings.MEDIA_ROOT = tmp_path / "files"
    indexing.the_index.cache_clear()
    yield
    indexing.forget_index()


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    with Reader() as opened:
        yield opened


@pytest.fixture
def work(reader: Reader) -> Callable[[], int]:
    """Everything that waits, done here; how many pieces of work it was."""

    def done() -> int:
        pulse, count = SimpleNamespace(beat=None), 0
        while rounds.step(reader, pulse):
            count += 1
        return count

    return done


@pytest.fixture
def base(alice: User) -> Base:
    return bases.create_base(owner=alice, name="Manuals", chunk_chars=200, overlap_chars=0)


@pytest.fixture
def ingested(base: Base, work: Callable[[], int]) -> Ingested:
    """A document of this text, ready."""

    def make(text: str | bytes, name: str = "manual.txt", **fields: Any) -> Document:
        content = text.encode() if isinstance(text, str) else text
        document = documents.add_document(
            base=base, file=BytesIO(content), name=name, actor=base.owner, **fields
        )
        work()
        document.refresh_from_db()
        return document

    return make


@pytest.fixture
def meaning(settings: Any) -> Iterator[MeaningServer]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = MeaningServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_model(meaning: MeaningServer, alice: User) -> Callable[..., ProviderModel]:
    """Of the stand-in: an embedding model, or one of another type."""

    def make(main_type: str = "embedding", name: str = "meaning") -> ProviderModel:
        provider = create_provider(
            actor=alice, kind="openai", name=name, base_url=meaning.url, api_key="sk-stored-key-1"
        )
        return ProviderModel.objects.create(
            provider=provider, model_id=name, name=name, types=[main_type], main_type=main_type
        )

    return make
