"""Console: jobs, deployments, models and nodes."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from llmplatform.tests.console_cast import GIB, make_job, make_node, make_slot
from training.models import (
    BaseModel,
    Deployment,
    Desired,
    Evaluation,
    Kind,
    ModelBuild,
    ModelExport,
    ModelFamily,
    ModelFetch,
    ModelVersion,
    Node,
    ParityCheck,
    Reason,
    Status,
    Sweep,
    TrainingJob,
    Transition,
    Workload,
)

JOBS = "admin:training_trainingjob_changelist"
NODES = "admin:training_node_changelist"


@pytest.fixture
def console(admin_user: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(admin_user)


def do(client: Client, name: str, action: str, *rows: Any) -> Any:
    body = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(reverse(name), body, follow=True)


def actions() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))


def test_jobs_are_paused_resumed_and_stopped(console: Client, alice: User) -> None:
    job = make_job(alice, status=Status.RUNNING, attempt=1)
    do(console, JOBS, "pause", job)
    job.refresh_from_db()
    assert job.state == Status.PAUSING
    do(console, JOBS, "stop", job)
    job.refresh_from_db()
    assert job.desired == Desired.STOP
    waiting = make_job(alice, "waiting", status=Status.PAUSED, desired=Desired.PAUSE)
    do(console, JOBS, "resume", waiting)
    held = make_job(alice, "held", desired=Desired.PAUSE)
    do(console, JOBS, "start", held)
    assert TrainingJob.objects.get(pk=held.pk).is_queued
    assert actions() == ["job.pause", "job.stop", "job.resume", "job.start"]


def test_what_the_state_forbids_is_said(console: Client, alice: User) -> None:
    done = make_job(alice, status=Status.SUCCESS, desired=Desired.STOP)
    page = do(console, JOBS, "stop", done)
    assert [message.level_tag for message in page.context["messages"]] == ["error"]
    assert actions() == []


def test_ended_jobs_are_deleted(
    console: Client, alice: User, django_capture_on_commit_callbacks: Any
) -> None:
    done = make_job(alice, status=Status.STOPPED, desired=Desired.STOP)
    live = make_job(alice, "live", status=Status.RUNNING)
    page = do(console, JOBS, "delete_ended", done, live)
    assert "1 job is deleted" in page.text
    assert list(TrainingJob.objects.all()) == [live]
    assert actions() == ["job.delete"]


def test_a_job_is_looked_at_with_its_story(console: Client, alice: User) -> None:
    job = make_job(alice, max_steps=40, step=10)
    job.transitions.create(status=Status.PENDING, node_name="node-a")
    url = reverse("admin:training_trainingjob_change", args=[job.pk])
    page = console.get(url).text
    assert "25 % (10/40)" in page and "node-a" in page
    assert console.post(url, {"name": "x"}).status_code == 403
    assert "25 % (10/40)" in console.get(reverse(JOBS)).text


def _deployment(alice: User) -> Deployment:
    version = ModelVersion.objects.create(owner=alice, name="maple", path="/none")
    deployment = Deployment(version=version, owner=alice, name="maple", status=Status.RUNNING)
    deployment.set_key("a-secret-key-of-a-server")
    deployment.desired = Desired.RUN
    deployment.save()
    return deployment


def test_the_story_speaks_the_language_of_its_reader(console: Client, alice: User) -> None:
    job = make_job(alice, status=Status.FAILED)
    Transition.objects.create(workload=job, status=Status.FAILED, reason=Reason.OUT_OF_MEMORY)
    url = reverse("admin:training_trainingjob_change", args=[job.pk])
    page = console.get(url, headers={"accept-language": "zh-hans"}).content.decode()
    texts = set(re.findall(r">\s*([^<>]*?)\s*<", page))
    assert {"时间", "状态", "原因", "步", "第几次尝试", "节点", "内存不足"} <= texts
    assert str(Reason.OUT_OF_MEMORY) not in texts


def test_deployments_are_ended_and_show_no_key(console: Client, alice: User) -> None:
    deployment = _deployment(alice)
    url = reverse("admin:training_deployment_change", args=[deployment.pk])
    page = console.get(url).text
    assert deployment.credential not in page and "a-secret-key" not in page
    do(console, "admin:training_deployment_changelist", "undeploy", deployment)
    deployment.refresh_from_db()
    assert deployment.desired == Desired.STOP
    assert actions() == ["model.undeploy"]
    version_list = console.get(reverse("admin:training_modelversion_changelist"))
    assert "Stopping" in version_list.text


def test_builds_are_stopped(console: Client, alice: User) -> None:
    base = BaseModel.objects.create(name="tiny", path="/none", is_ready=False)
    build = ModelBuild.objects.create(
        owner=alice, name="tiny", base_model=base, desired=Desired.RUN
    )
    do(console, "admin:training_modelbuild_changelist", "stop", build)
    build.refresh_from_db()
    assert build.status == Status.STOPPED


def _version(alice: User) -> ModelVersion:
    family = ModelFamily.objects.create(owner=alice, name="maple")
    return ModelVersion.objects.create(owner=alice, name="maple", path="/none", family=family)


def test_evaluations_are_stopped_deleted_and_keep_their_words(console: Client, alice: User) -> None:
    version = _version(alice)
    known = {"owner": alice, "version": version, "source": "probes"}
    running = Evaluation.objects.create(
        name="aspen", status=Status.RUNNING, attempt=1, desired=Desired.RUN, **known
    )
    done = Evaluation.objects.create(name="birch", status=Status.SUCCESS, **known)
    for position, outcome in enumerate(("win", "win", "loss", "tie", "")):
        done.samples.create(
            position=position,
            outcome=outcome,
            question="A private question",
            base_answer="A private answer",
            base={"loss": 2.5},
            tuned={"loss": 1.25},
        )
    name = "admin:training_evaluation_changelist"
    page = console.get(reverse(name), {"source__exact": "probes", "q": "birch"}).text
    assert "2 / 1 / 1" in page and "aspen" not in page.split("<tbody")[1]
    page = console.get(reverse("admin:training_evaluation_change", args=[done.pk])).text
    assert "1.25" in page and "Better" in page and "private" not in page
    do(console, name, "stop", running, done)
    do(console, name, "delete_ended", running, done)
    assert [row.desired for row in Evaluation.objects.all()] == [Desired.STOP]
    assert actions() == ["evaluation.stop", "evaluation.delete"]


def test_parity_checks_tell_numbers_alone(console: Client, alice: User) -> None:
    rows = [
        {"prompt": "A private prompt", "difference": None, "is_same_answer": True},
        {"prompt": "Another", "difference": {"position": 3}, "is_same_answer": True},
    ]
    check = ParityCheck.objects.create(
        owner=alice,
        name="maple",
        version=_version(alice),
        status=Status.SUCCESS,
        results={"rows": rows},
    )
    assert "1 / 2" in console.get(reverse("admin:training_paritycheck_changelist")).text
    page = console.get(reverse("admin:training_paritycheck_change", args=[check.pk])).text
    assert "1 / 2" in page and "2 / 2" in page and "private" not in page


def test_exports_are_stopped_and_deleted(console: Client, alice: User) -> None:
    known = {"owner": alice, "version": _version(alice), "name": "maple"}
    waiting = ModelExport.objects.create(desired=Desired.RUN, **known)
    done = ModelExport.objects.create(status=Status.SUCCESS, size_bytes=3 * GIB, **known)
    name = "admin:training_modelexport_changelist"
    assert "3.0\xa0GB" in console.get(reverse(name), {"format__exact": "merged"}).text
    page = do(console, name, "stop", waiting, done)
    assert [message.level_tag for message in page.context["messages"]] == ["error", "success"]
    do(console, name, "delete_ended", waiting, done)
    assert not ModelExport.objects.exists()
    assert actions() == ["export.stop", "export.delete", "export.delete"]


def test_downloads_are_cancelled(console: Client, alice: User) -> None:
    base = BaseModel.objects.create(owner=alice, name="far", hub_id="a/b", is_ready=False)
    fetch = ModelFetch.objects.create(owner=alice, name="far", base_model=base, desired=Desired.RUN)
    for _time in range(2):
        do(console, "admin:training_modelfetch_changelist", "cancel", fetch)
    assert ModelFetch.objects.get().status == Status.STOPPED
    assert actions() == ["base_model.cancel"]


def test_sweeps_are_stopped(console: Client, alice: User) -> None:
    jobs = [make_job(alice, "one"), make_job(alice, "two", status=Status.SUCCESS)]
    chosen = {"base_model": jobs[0].base_model, "dataset": jobs[0].dataset}
    sweep = Sweep.objects.create(
        owner=alice, name="rates", stage="sft", method="lora", grid={"lora_rank": [4, 8]}, **chosen
    )
    sweep.jobs.set(jobs)
    name = "admin:training_sweep_changelist"
    assert "1 / 2" in console.get(reverse(name), {"q": "rates"}).text
    page = console.get(reverse("admin:training_sweep_change", args=[sweep.pk])).text
    assert "lora_rank" in page and str(Status.SUCCESS.label) in page
    assert "1 training is being stopped" in do(console, name, "stop", sweep).text
    assert actions() == ["job.stop", "sweep.stop"]


@pytest.mark.parametrize("kind", Kind.values)
def test_failed_work_of_every_kind_leads_to_its_page(
    console: Client, alice: User, kind: str
) -> None:
    job = make_job(alice, status=Status.FAILED, finished_at=timezone.now())
    Workload.objects.filter(pk=job.pk).update(kind=kind)
    assert str(job.pk) in console.get(reverse("admin:index")).text


def test_base_models_follow_the_rules_of_the_service(
    console: Client, alice: User, settings: Any, tmp_path: Path
) -> None:
    settings.BASE_MODEL_ROOTS = [tmp_path]
    url = reverse("admin:training_basemodel_add")
    outside = console.post(url, {"name": "tiny", "path": "/etc", "hub_id": "", "template": ""})
    assert "path" in outside.context["adminform"].form.errors
    body = {"name": "tiny", "path": "", "hub_id": "Qwen/Qwen3-0.6B", "template": ""}
    assert console.post(url, body).status_code == 302
    row = BaseModel.objects.get()
    assert row.owner is None and actions() == ["base_model.create"]
    change = reverse("admin:training_basemodel_change", args=[row.pk])
    body = {"name": "tiny 2", "owner": str(alice.pk), "template": ""}
    assert console.post(change, body).status_code == 302
    event = AuditEvent.objects.get(action="base_model.update")
    assert event.before == {"name": "tiny", "owner": None}
    assert event.after == {"name": "tiny 2", "owner": "alice@example.com"}
    delete = reverse("admin:training_basemodel_delete", args=[row.pk])
    assert console.post(delete, {"post": "yes"}).status_code == 302
    assert actions()[-1] == "base_model.delete"


def test_nodes_are_drained_and_take_work_again(console: Client) -> None:
    node = make_node()
    make_slot(node, memory_bytes=80 * GIB, is_gpu=True, name="H100")
    assert "80.0" in console.get(reverse("admin:training_node_change", args=[node.pk])).text
    assert "1 node is draining" in do(console, NODES, "drain", node).text
    assert Node.objects.get().is_draining
    do(console, NODES, "drain", node)
    do(console, NODES, "undrain", node)
    assert not Node.objects.get().is_draining
    assert actions() == ["node.drain", "node.undrain"]
    change = reverse("admin:training_node_change", args=[node.pk])
    body = {"is_draining": "on", "slots-TOTAL_FORMS": 0, "slots-INITIAL_FORMS": 0}
    assert console.post(change, body).status_code == 302
    assert AuditEvent.objects.get(action="node.update").after == {"is_draining": True}


def test_only_a_node_that_is_gone_can_be_forgotten(console: Client) -> None:
    live, gone = make_node("live"), make_node("gone", silent_s=4000)
    for node, status in ((live, 403), (gone, 302)):
        url = reverse("admin:training_node_delete", args=[node.pk])
        assert console.post(url, {"post": "yes"}).status_code == status
    assert list(Node.objects.all()) == [live]


def test_datasets_are_counted_but_not_read(console: Client, alice: User) -> None:
    job = make_job(alice)
    page = console.get(reverse("admin:training_dataset_change", args=[job.dataset_id])).text
    assert "12" in page and job.dataset.sha256 not in page
    assert console.get(reverse("admin:training_dataset_changelist")).status_code == 200
    assert console.get(reverse("admin:training_basemodel_changelist")).status_code == 200
