"""A model that answers without a network, and answers that end before the database does."""

from collections.abc import Iterator

import pytest

from accounts.models import User
from chat.generation import generator
from chat.models import ChatSession
from chat.services import create_session
from providers.models import ProviderModel
from providers.services import create_provider


@pytest.fixture(autouse=True)
def _answers_end() -> Iterator[None]:
    yield
    generator.cancel(list(generator._running))
    assert generator.wait(10)


@pytest.fixture
def echo(transactional_db: None, admin_user: User) -> ProviderModel:
    return create_provider(actor=admin_user, preset="echo", is_shared=True).models.get()


@pytest.fixture
def session(echo: ProviderModel, alice: User) -> ChatSession:
    return create_session(owner=alice, model=echo)
