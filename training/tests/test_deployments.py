"""Deployments without their processes: options, pages, API, what the endpoint tells, its GPUs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from conftest import ApiClient
from providers.models import ProviderModel
from training import parity, registry, scheduling
from training.models import (
    Dataset,
    Deployment,
    Desired,
    Kind,
    ModelVersion,
    Node,
    ParityCheck,
    Slot,
    Status,
)
from training.shim import works
from training.shim.endings import Ending
from training.shim.serving import Serving
from training.tests.rows import add_log, make_job, make_node, make_version

Api = Callable[[User], ApiClient]


@pytest.fixture
def version(alice: User, tmp_path: Path) -> ModelVersion:
    version = make_version(make_job(alice, Status.SUCCESS), path=str(tmp_path))
    assert version.job is not None
    file = tmp_path / "data.jsonl"
    file.write_text('{"instruction": "q", "output": "a"}\n')
    Dataset.objects.filter(pk=version.job.dataset_id).update(path=str(file))
    return ModelVersion.objects.get(pk=version.pk)


@pytest.fixture
def client(alice: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(alice)


def running(version: ModelVersion, node: Node | None = None, **fields: Any) -> Deployment:
    row = Deployment(
        owner=version.owner,
        version=version,
        name="served",
        status=Status.RUNNING,
        desired=Desired.RUN,
        node=node or make_node(),
        port=4444,
        attempt=1,
        **fields,
    )
    row.set_key("k")
    row.save()
    return row


def test_options_are_checked(alice: User, version: ModelVersion, api: Api) -> None:
    with pytest.raises(ValidationError) as error:
        registry.deploy(version=version, actor=alice, concurrency=0, sleep_minutes=-1, engine="x")
    assert set(error.value.message_dict) == {"concurrency", "sleep_minutes", "engine"}
    path = f"training/models/{version.pk}/deploy"
    refused = api(alice).post(path, engine="vllm")
    assert refused.status_code == 422 and "engine" in refused.json()["error"]["fields"]
    assert api(alice).post(path, concurrency=4, sleep_minutes=15).status_code == 202
    row = Deployment.objects.get()
    assert (row.concurrency, row.sleep_minutes, row.engine) == (4, 15, "huggingface")


def test_the_form_keeps_what_was_typed(client: Client, version: ModelVersion) -> None:
    url = f"/models/{version.pk}/deploy/"
    answer = client.post(url, {"name": "mine", "concurrency": "99"})
    page = answer.content.decode()
    assert answer.status_code == 422 and 'value="99"' in page and 'value="mine"' in page
    assert not Deployment.objects.exists()
    assert client.post(url, {"name": "mine", "sleep_minutes": "5"}).status_code == 302
    assert Deployment.objects.get().sleep_minutes == 5
    Deployment.objects.all().delete()
    assert client.post(url).status_code == 302, "one click, without a form"
    assert Deployment.objects.get().name == version.name


def test_publishing_checks_parity_once(version: ModelVersion) -> None:
    row = running(version)
    registry.publish(row)
    registry.publish(row)
    assert ProviderModel.objects.count() == 1 and ParityCheck.objects.count() == 1
    Deployment.objects.update(port=5555)
    registry.publish(row)
    [model] = ProviderModel.objects.select_related("provider")
    assert model.provider.base_url == "http://127.0.0.1:5555/v1", "it has moved"


def test_what_was_undeployed_is_not_published(version: ModelVersion) -> None:
    row = running(version)
    Deployment.objects.update(desired=Desired.STOP)
    registry.publish(row)
    assert not ProviderModel.objects.exists()


def test_a_check_takes_no_place(version: ModelVersion, alice: User) -> None:
    node = make_node(is_gpu=True)
    deployment = running(version, node)
    Slot.objects.update(workload=deployment)
    check = parity.begin(deployment=deployment, actor=alice)
    assert [row.pk for row in scheduling.grant_waiting()] == [check.pk]
    assert check.kind == Kind.CHECK and Slot.objects.get().workload_id == deployment.pk
    assert AuditEvent.objects.filter(action="parity.create").exists()


def served(deployment: Deployment) -> Serving:
    work = works.work_of(deployment)
    assert isinstance(work, Serving)
    return work


def test_asleep_it_leaves_its_gpus_and_takes_them_again(version: ModelVersion) -> None:
    node = make_node(is_gpu=True)
    deployment = running(version, node, sleep_minutes=1)
    Slot.objects.update(workload=deployment)
    control = deployment.folder / "attempt-1" / "control"
    control.parent.mkdir(parents=True)
    work = served(deployment)
    work._give_or_take_places("ready")
    assert Slot.objects.get().workload_id == deployment.pk
    work._give_or_take_places("asleep")
    assert Slot.objects.get().workload is None, "a training may have it"
    training = make_job(version.owner, Status.RUNNING)
    Slot.objects.update(workload=training)
    work._give_or_take_places("waking")
    assert Slot.objects.get().workload_id == training.pk and not control.exists()
    Slot.objects.update(workload=None)
    work._give_or_take_places("waking")
    assert Slot.objects.get().workload_id == deployment.pk
    assert json.loads(control.read_text()) == {"gpus": "0"}


def test_an_endpoint_that_ends_is_withdrawn(version: ModelVersion) -> None:
    row = running(version)
    registry.publish(row)
    served(row).on_end(Ending(Status.PAUSED), None)
    assert ProviderModel.objects.exists(), "the machine restarts; the model stays where it was"
    served(row).on_end(Ending(Status.FAILED), None)
    assert not ProviderModel.objects.exists()


HEALTH = {"state": "asleep", "active": 0, "waiting": 0, "served": 1200, "crashes": 2}


def test_the_page_tells_how_it_is(client: Client, version: ModelVersion) -> None:
    row = running(version, sleep_minutes=5, health=HEALTH)
    registry.publish(row)
    add_log(row, ["loading the model", "ready <b>"])  # type: ignore[arg-type]
    page = client.get(f"/models/deployments/{row.pk}/").content.decode()
    assert "Asleep" in page and "1,200" in page and "after 5 minutes" in page
    assert "ready &lt;b&gt;" in page and "/v1/chat/completions" in page
    assert "log/?after=2" in page and "The check is under way." in page
    headers = {"HX-Request": "true", "HX-Target": "deployment"}
    part = client.get(f"/models/deployments/{row.pk}/", headers=headers).content.decode()
    assert "<html" not in part and "loading the model" not in part


def test_the_log_goes_on_from_where_it_was(client: Client, version: ModelVersion) -> None:
    row = running(version)
    add_log(row, ["one", "two"])  # type: ignore[arg-type]
    part = client.get(f"/models/deployments/{row.pk}/log/?after=1").content.decode()
    assert "two" in part and "one" not in part and "after=2" in part
    Deployment.objects.update(status=Status.STOPPED)
    assert "hx-get" not in client.get(f"/models/deployments/{row.pk}/log/").content.decode()


def rows(*different: str) -> dict[str, Any]:
    sides = {"before": "<|im_start|>", "id": 5, "after": " Q"}
    difference = {
        "position": 3,
        "trainer": sides | {"token": "user"},
        "endpoint": sides | {"token": "USER"},
    }
    same = {"prompt": "What?", "difference": None, "is_same_answer": True}
    same |= {"trainer_answer": "A", "endpoint_answer": "A"}
    found = [same | {"difference": difference} if each == "tokens" else same for each in different]
    return {"rows": found}


def checked(deployment: Deployment, results: dict[str, Any]) -> ParityCheck:
    return ParityCheck.objects.create(
        owner=deployment.owner,
        name="served",
        version=deployment.version,
        served=deployment,
        status=Status.SUCCESS,
        finished_at=timezone.now(),
        results=results,
    )


def test_a_difference_is_shown_and_keeps_from_production(
    client: Client, version: ModelVersion
) -> None:
    row = running(version)
    checked(row, rows("same", "tokens"))
    page = client.get(f"/models/deployments/{row.pk}/").content.decode()
    assert "The first token that differs is number 4." in page
    assert "<ins>user</ins>" in page and "<del>USER</del>" in page
    assert "1 of 2 training prompts differently" in page
    checked(row, rows("same", "same"))
    assert parity.problems_of(version) == [], "the newest check counts"
    page = client.get(f"/models/deployments/{row.pk}/").content.decode()
    assert "The same tokens, and the same answers." in page


def test_the_same_by_api(api: Api, alice: User, bob: User, version: ModelVersion) -> None:
    row = running(version, health=HEALTH)
    path = f"training/deployments/{row.pk}"
    add_log(row, ["one", "two"])  # type: ignore[arg-type]
    assert api(alice).get(f"{path}/logs?after=1").json() == {"lines": ["two"], "next": 2}
    assert api(bob).get(f"{path}/logs").status_code == 404
    assert api(alice).get(f"{path}/parity").status_code == 404
    assert api(alice).post(f"{path}/parity").json()["status"] == "pending"
    checked(row, rows("tokens"))
    told = api(alice).get(f"{path}/parity").json()
    assert told["rows"][0]["difference"]["position"] == 3 and len(told["problems"]) == 1
    told = api(alice).get(f"training/models/{version.pk}").json()["deployment"]
    assert told["id"] == str(row.pk) and told["health"]["served"] == 1200
    Deployment.objects.update(status=Status.STOPPED)
    assert api(alice).post(f"{path}/parity").status_code == 409
