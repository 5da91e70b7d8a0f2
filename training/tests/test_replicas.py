"""Several deployments of one version under one name: pages, API, places, and what is left when
one of them ends."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from conftest import ApiClient
from providers.models import ProviderModel
from training import lifecycle, registry, routes, scheduling
from training.errors import StateConflict
from training.models import (
    Deployment,
    Desired,
    Label,
    ModelVersion,
    Node,
    ParityCheck,
    Slot,
    Status,
)
from training.tests.rows import make_job, make_node, make_version

STORAGE = "one-storage"


@pytest.fixture
def nodes() -> list[Node]:
    made = [make_node("one"), make_node("two")]
    Node.objects.update(storage_id=STORAGE)
    return made


@pytest.fixture
def version(alice: User, nodes: list[Node], tmp_path: Path) -> ModelVersion:
    version = make_version(make_job(alice, Status.SUCCESS), path=str(tmp_path))
    version.node = nodes[0]
    version.save()
    return version


def deployed(version: ModelVersion, replicas: int = 2) -> list[Deployment]:
    """They run, and are published."""
    registry.deploy(version=version, actor=version.owner, replicas=replicas)
    scheduling.grant_waiting()
    rows = list(Deployment.objects.order_by("created_at"))
    for number, row in enumerate(rows):
        lifecycle.mark_running(row.pk, Deployment.objects.get(pk=row.pk).fence)
        Deployment.objects.filter(pk=row.pk).update(port=4000 + number)
        registry.publish(row)
    return list(Deployment.objects.order_by("created_at").select_related("node"))


def test_each_goes_to_a_node_of_its_own(version: ModelVersion) -> None:
    registry.deploy(version=version, actor=version.owner, replicas=3)
    scheduling.grant_waiting()
    placed = Deployment.objects.active().values_list("node__name", flat=True)
    assert sorted(placed) == ["one", "one", "two"]


def test_each_goes_to_a_gpu_of_its_own(version: ModelVersion) -> None:
    Node.objects.all().delete()
    for name in ("left", "right"):
        node = make_node(name, is_gpu=True)
        Slot.objects.create(node=node, index=1, is_gpu=True, memory_bytes=16 * 1024**3)
    Node.objects.update(storage_id=STORAGE)
    version.refresh_from_db()
    registry.deploy(version=version, actor=version.owner, replicas=2)
    scheduling.grant_waiting()
    placed = Deployment.objects.active().values_list("node__name", flat=True)
    assert sorted(placed) == ["left", "right"]


def test_they_have_one_name_and_one_check(version: ModelVersion) -> None:
    first, second = deployed(version)
    models = [row.provider_model for row in (first, second)]
    assert models[0] is not None and models[1] is not None
    assert models[0].replica_of_id is None and models[1].replica_of_id == models[0].pk
    usable = ProviderModel.objects.for_user(version.owner).usable()
    assert [row.model_id for row in usable] == [version.name]
    assert version.deployment == first
    assert not ParityCheck.objects.exclude(served=first).exists()


def test_the_other_answers_when_one_has_ended(version: ModelVersion) -> None:
    first, second = deployed(version)
    assert version.family is not None
    Label.objects.create(family=version.family, version=version, name="production")
    routes.follow(version.family)
    registry.withdraw(first)
    Deployment.objects.filter(pk=first.pk).update(status=Status.FAILED)
    assert version.deployment == second
    version.family.refresh_from_db()
    assert version.family.served_by == second and version.family.route is not None
    assert version.family.route.answers_as == second.provider_model
    with pytest.raises(StateConflict):
        registry.deploy(version=version, actor=version.owner)
    registry.undeploy(version=version, actor=version.owner)
    second.refresh_from_db()
    assert second.desired == Desired.STOP and not ProviderModel.objects.usable().exists()


def test_undeploying_stops_all(version: ModelVersion) -> None:
    rows = deployed(version, 3)
    registry.undeploy(version=version, actor=version.owner)
    for row in rows:
        row.refresh_from_db()
        assert row.desired == Desired.STOP and row.provider_model is None


def test_how_many_is_checked(version: ModelVersion) -> None:
    for wrong in (0, 9):
        with pytest.raises(ValidationError) as error:
            registry.deploy(version=version, actor=version.owner, replicas=wrong)
        assert set(error.value.message_dict) == {"replicas"}


def test_the_page_and_the_api_list_them(
    version: ModelVersion,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    client, alice = client_for(version.owner), api(version.owner)
    assert client.post(f"/models/{version.pk}/deploy/", {"replicas": "2"}).status_code == 302
    scheduling.grant_waiting()
    first, second = Deployment.objects.order_by("created_at")
    page = client.get(f"/models/deployments/{first.pk}/").content.decode()
    assert 'id="replicas-title"' in page and f"/models/deployments/{second.pk}/" in page
    told = alice.get(f"training/models/{version.pk}").json()["deployment"]["replicas"]
    assert [row["node"] for row in told] == ["one", "two"]
    assert [row["id"] for row in told] == [str(first.pk), str(second.pk)]
    for odd in ("9" * 5000, "0", "many", ""):
        scaled = client.post(f"/models/deployments/{first.pk}/scale/", {"replicas": odd})
        assert scaled.status_code == 302 and len(wanted(version)) == 2


def wanted(version: ModelVersion) -> list[Deployment]:
    return list(version.deployments.filter(desired=Desired.RUN).order_by("created_at"))


def test_more_of_them_start_under_the_same_name(version: ModelVersion) -> None:
    first, _second = deployed(version)
    registry.scale(version=version, actor=version.owner, replicas=3)
    *_before, third = wanted(version)
    assert third.replica_of == first and third.status == Status.PENDING
    assert (third.name, third.concurrency) == (first.name, first.concurrency)
    assert third.key and third.key != first.key
    assert version.deployment == first


def test_of_fewer_the_last_stop_and_the_first_keeps_the_name(version: ModelVersion) -> None:
    first, *others = deployed(version, 3)
    registry.scale(version=version, actor=version.owner, replicas=1)
    assert wanted(version) == [first]
    assert [model.pk for model in ProviderModel.objects.usable()] == [first.provider_model_id]
    for row in others:
        row.refresh_from_db()
        assert row.desired == Desired.STOP and row.provider_model is None


def test_one_that_failed_for_good_is_replaced(version: ModelVersion) -> None:
    first, second = deployed(version)
    registry.withdraw(first)
    Deployment.objects.filter(pk=first.pk).update(status=Status.FAILED, desired=Desired.STOP)
    registry.scale(version=version, actor=version.owner, replicas=2)
    assert wanted(version)[0] == second and len(wanted(version)) == 2
    assert wanted(version)[1].replica_of == first, "the group stays one"
    assert version.deployment == second


def test_scaling_is_refused_where_there_is_nothing_to_scale(version: ModelVersion) -> None:
    with pytest.raises(StateConflict):
        registry.scale(version=version, actor=version.owner, replicas=2)
    deployed(version)
    for wrong in (0, 9):
        with pytest.raises(ValidationError):
            registry.scale(version=version, actor=version.owner, replicas=wrong)
    registry.undeploy(version=version, actor=version.owner)
    with pytest.raises(StateConflict):
        registry.scale(version=version, actor=version.owner, replicas=2)


def test_page_and_api_scale(
    version: ModelVersion,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    first, _second = deployed(version)
    path = f"/models/deployments/{first.pk}/"
    client = client_for(version.owner)
    assert 'value="2"' in client.get(path).text
    assert "Between 1 and 8." in client.post(f"{path}scale/", {"replicas": "x"}, follow=True).text
    client.post(f"{path}scale/", {"replicas": "3"})
    assert len(wanted(version)) == 3
    alice = api(version.owner)
    scaled = f"training/models/{version.pk}/scale"
    assert alice.post(scaled, replicas=1).status_code == 202
    assert wanted(version) == [first]
    refused = alice.post(scaled, replicas=0)
    assert refused.status_code == 422 and "replicas" in refused.json()["error"]["fields"]
