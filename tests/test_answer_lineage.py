"""From an answer to the dataset that its model learnt from, and from a dataset to the answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import User
from chat import services
from chat.generation import generator
from chat.models import ChatSession, Message
from providers.models import Provider, ProviderModel
from providers.services import create_provider
from training import labels, registry
from training.models import Dataset, Deployment, Desired, ModelFamily, ModelVersion, Status
from training.tests.conftest import PAIRS
from training.tests.rows import make_job, make_version
from training.tests.test_datasets import store

ClientFor = Callable[[User], Client]
MakeVersion = Callable[[int], ModelVersion]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def dataset(alice: User) -> Dataset:
    rows = [{"instruction": question, "output": answer} for question, answer in PAIRS]
    return store(alice, rows, name="sums")


@pytest.fixture
def served(alice: User, dataset: Dataset, tmp_path: Path) -> MakeVersion:
    """Another version of `identity`, whose deployment is said to answer at a port."""

    def make(port: int) -> ModelVersion:
        folder = tmp_path / str(port)
        folder.mkdir()
        version = make_version(make_job(alice, Status.SUCCESS, dataset=dataset), str(folder))
        deployment = registry.deploy(version=version, actor=alice)
        rows = Deployment.objects.filter(pk=deployment.pk)
        rows.update(status=Status.RUNNING, desired=Desired.RUN, port=port)
        registry.publish(deployment)
        return version

    return make


@pytest.fixture(autouse=True)
def _answers_end(transactional_db: None) -> Iterator[None]:
    yield
    generator.cancel(list(generator._running))
    assert generator.wait(10)


def model_of(version: ModelVersion) -> ProviderModel:
    deployment = version.deployment
    assert deployment is not None and deployment.provider_model is not None
    return deployment.provider_model


def route_of(version: ModelVersion) -> ProviderModel:
    route = ModelFamily.objects.get(versions=version).route
    assert route is not None
    return route


def asked(user: User, model: ProviderModel) -> Message:
    """Nobody listens at the port, so the answer fails; which version was asked is known."""
    answer = services.open_with(owner=user, content="Who are you?", request=None, model=model)
    assert generator.wait(10)
    answer.refresh_from_db()
    return answer


def test_an_answer_keeps_its_version_when_the_label_moves(alice: User, served: MakeVersion) -> None:
    first, second = served(1), served(2)
    labels.move_label(version=first, label="production", actor=alice)
    old = asked(alice, route_of(first))
    labels.move_label(version=second, label="production", actor=alice)
    new = asked(alice, route_of(second))
    old.refresh_from_db()
    assert (old.model_version, new.model_version) == (first, second)
    assert asked(alice, model_of(first)).model_version == first
    again = services.ask_again(answer=old, actor=alice)
    assert generator.wait(10)
    assert again.model_version == second


def test_other_models_have_no_version(
    alice: User, admin_user: User, served: MakeVersion, client_for: ClientFor
) -> None:
    served(1)
    echo = create_provider(actor=admin_user, preset="echo", is_shared=True).models.get()
    answer = asked(alice, echo)
    assert answer.model_version is None
    page = client_for(alice).get(f"/chat/{answer.session_id}/").content.decode()
    assert "Where this answer comes from" not in page


def test_a_stranger_to_the_version_gets_no_link(
    alice: User, bob: User, served: MakeVersion
) -> None:
    model = model_of(served(1))
    Provider.objects.filter(pk=model.provider_id).update(owner=None)
    assert asked(bob, model).model_version is None


def test_two_clicks_from_an_answer_to_the_dataset(
    alice: User, dataset: Dataset, served: MakeVersion, client_for: ClientFor
) -> None:
    version, client = served(1), client_for(alice)
    answer = asked(alice, model_of(version))
    chat = client.get(f"/chat/{answer.session_id}/").content.decode()
    assert f'<a href="/models/{version.pk}/" title="Where this answer comes from">' in chat
    page = client.get(f"/models/{version.pk}/").content.decode()
    assert f'href="/datasets/{dataset.pk}/"' in page


def test_from_a_dataset_to_the_chats(
    alice: User, bob: User, dataset: Dataset, served: MakeVersion, client_for: ClientFor
) -> None:
    first, second, client = served(1), served(2), client_for(alice)
    answer = asked(alice, model_of(first))
    ChatSession.objects.filter(pk=answer.session_id).update(title="About me")
    for path in (f"/datasets/{dataset.pk}/", f"/datasets/{dataset.pk}/record/?number=1"):
        assert f'href="/chat/?version={first.pk}"' in client.get(path).content.decode()
    chats = client.get(f"/chat/?version={first.pk}").content.decode()
    assert "About me" in chats and "Answered by identity v1" in chats
    none = client.get(f"/chat/?version={second.pk}").content.decode()
    assert "About me" not in none and "It has answered in none of your chats." in none
    for path in (f"/chat/?version={first.pk}", "/chat/?version=x"):
        assert client_for(bob).get(path).status_code == 404


def test_programs_are_told(
    alice: User, served: MakeVersion, client_for: ClientFor, api: Callable[[User], object]
) -> None:
    version = served(1)
    answer = asked(alice, model_of(version))
    path = f"chat/sessions/{answer.session_id}/messages"
    rows = api(alice).get(path).json()["items"]  # type: ignore[attr-defined]
    assert [row["model_version_id"] for row in rows] == [None, version.pk]


def test_an_answer_outlives_its_version(alice: User, served: MakeVersion) -> None:
    version = served(1)
    answer = asked(alice, model_of(version))
    version.delete()
    answer.refresh_from_db()
    assert answer.model_version is None and answer.model_label == "identity"
