"""A model that answers without a network, and answers that end before the database does."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import User
from chat.generation import generator
from chat.models import ChatSession
from chat.services import create_session
from providers.models import ProviderModel
from providers.services import create_provider


@pytest.fixture(autouse=True)
def _answers_end(request: pytest.FixtureRequest) -> Iterator[None]:
    """Asks for the test's database first: what is set up last is taken down first, and to empty
    tables under an answer that is being written locks both."""
    for name in ("transactional_db", "db"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
            break
    yield
    generator.cancel(list(generator._running))
    assert generator.wait(10)


@pytest.fixture
def nobody_writes_titles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last thing that a provider was asked is the question."""
    monkeypatch.setattr("chat.naming.planned", lambda generation: None)


@pytest.fixture
def echo(transactional_db: None, admin_user: User) -> ProviderModel:
    return create_provider(actor=admin_user, preset="echo", is_shared=True).models.get()


@pytest.fixture
def session(echo: ProviderModel, alice: User) -> ChatSession:
    return create_session(owner=alice, model=echo)


@pytest.fixture
def echoes(echo: ProviderModel) -> list[ProviderModel]:
    """Three models with names of their own."""
    rows = [echo, *(ProviderModel.objects.create(**_like(echo, n)) for n in (2, 3))]
    for row, name in zip(rows, ("Falcon", "Osprey", "Kestrel"), strict=True):
        row.name = name
        row.save()
    return rows


def _like(model: ProviderModel, number: int) -> dict[str, Any]:
    skipped = ("id", "model_id")
    fields = {f.name: getattr(model, f.name) for f in model._meta.concrete_fields}
    fields = {name: value for name, value in fields.items() if name not in skipped}
    return {**fields, "model_id": f"echo-{number}"}
