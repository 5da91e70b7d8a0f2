import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import AuditEvent, User
from providers import services as providers
from training.models import Deployment, Desired, Status, TrainingJob
from training.tests.rows import (
    add_hardware,
    add_log,
    add_metrics,
    make_base_model,
    make_dataset,
    make_job,
    make_node,
    make_version,
)

Api = Callable[[User], Any]
JOB_FIELDS = {
    *("id", "name", "status", "progress", "step", "max_steps", "node", "swanlab", "error"),
    *("base_model", "dataset", "stage", "method", "parameters", "model_version"),
    *("created_at", "started_at", "finished_at"),
}


def body(owner: User, **changes: Any) -> dict[str, Any]:
    known = {
        "base_model": make_base_model().pk,
        "dataset": make_dataset(owner).pk,
        "parameters": {"learning_rate": 0.0001, "num_train_epochs": 3, "lora_rank": 8},
    }
    return known | changes


def test_base_models(alice: User, bob: User, api: Api) -> None:
    shared = make_base_model(name="a-shared")
    make_base_model(bob, name="of-bob")
    made = api(alice).post("training/base-models", name="mine", hub_id="Qwen/Qwen3-8B")
    assert made.status_code == 201
    assert made.json()["is_shared"] is False
    found = api(alice).get("training/base-models").json()
    assert [row["name"] for row in found["items"]] == ["a-shared", "mine"]
    assert found["items"][0]["id"] == shared.pk


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"name": "x", "path": "/etc"}, "path"),
        ({"name": "x"}, "path"),
        ({"name": "x", "hub_id": "nonsense"}, "hub_id"),
        ({"name": "x", "hub_id": "a/b", "template": "nosuch"}, "template"),
        ({"name": "x", "hub_id": "a/b", "is_shared": True}, "is_shared"),
        ({"name": "a/b", "hub_id": "a/b"}, "name"),
    ],
)
def test_a_bad_base_model_is_refused(
    alice: User, api: Api, fields: dict[str, Any], blamed: str
) -> None:
    response = api(alice)._send("post", "training/base-models", fields)
    assert response.status_code == 422
    assert blamed in response.json()["error"]["fields"]


def test_estimate(alice: User, api: Api) -> None:
    make_node(gib=64)
    answer = api(alice).post("training/estimate", **body(alice))
    assert answer.status_code == 200
    found = answer.json()
    assert found["verdict"] == "fits"
    parts = [size for name, size in found["memory"].items() if name != "total_bytes"]
    assert sum(parts) == found["memory"]["total_bytes"]
    assert found["steps"] == 273
    assert found["time_s"] > 0
    assert found["time_basis"] == "nominal"
    assert found["places"][0]["needed_bytes"] == found["memory"]["total_bytes"]
    assert "learning_rate: 0.0001" in found["yaml"]
    assert not TrainingJob.objects.exists()


def test_create_start_and_read(alice: User, api: Api) -> None:
    made = api(alice).post("training/jobs", name="identity", **body(alice))
    assert made.status_code == 201
    job = made.json()
    assert job.keys() >= JOB_FIELDS
    assert job["status"] == "pending"
    assert job["queue_position"] == 1
    assert job["parameters"]["lora_rank"] == 8
    assert api(alice).get(f"training/jobs/{job['id']}").json() == job
    assert api(alice).get("training/jobs").json()["count"] == 1


def test_a_list_of_many_that_wait_plans_the_queue_once(
    alice: User, api: Api, django_assert_max_num_queries: Any
) -> None:
    make_node()
    model, dataset = make_base_model(), make_dataset(alice)
    for _each in range(30):
        make_job(alice, base_model=model, dataset=dataset, queued_at=timezone.now())
    with django_assert_max_num_queries(30):
        jobs = api(alice).get("training/jobs?limit=30").json()["items"]
    assert sorted(job["queue_position"] for job in jobs) == list(range(1, 31))
    assert all(job["queue"]["position"] == job["queue_position"] for job in jobs)


def test_create_on_hold(alice: User, api: Api) -> None:
    job = api(alice).post("training/jobs", name="x", start=False, **body(alice)).json()
    assert job["queue_position"] is None
    started = api(alice).post(f"training/jobs/{job['id']}/start")
    assert started.status_code == 202
    assert started.json()["queue_position"] == 1


@pytest.mark.parametrize(
    ("changes", "blamed"),
    [
        ({"name": "../x"}, "name"),
        ({"stage": "ppo"}, "stage"),
        ({"method": "magic"}, "method"),
        ({"stage": "dpo"}, "dataset"),
        ({"base_model": 999_999}, "base_model"),
        ({"dataset": 999_999}, "dataset"),
        ({"parameters": {"per_device_train_batch_size": 0}}, "per_device_train_batch_size"),
        ({"parameters": {"output_dir": "/etc"}}, "output_dir"),
        ({"parameters": {"template": "nosuch"}}, "template"),
        ({"parameters": {"bf16": True, "fp16": True}}, "fp16"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_bad_jobs_are_refused(alice: User, api: Api, changes: dict[str, Any], blamed: str) -> None:
    response = api(alice).post("training/jobs", **(body(alice) | {"name": "x"} | changes))
    assert response.status_code == 422
    fields = response.json()["error"]["fields"]
    assert any(blamed in name for name in fields)
    assert not TrainingJob.objects.exists()


def test_nobody_trains_on_what_is_not_theirs(alice: User, bob: User, api: Api) -> None:
    theirs = make_dataset(bob)
    response = api(alice).post("training/jobs", name="x", **body(alice, dataset=theirs.pk))
    assert response.status_code == 422


def test_verbs_follow_the_state(alice: User, api: Api) -> None:
    job = make_job(alice, Status.RUNNING)
    paused = api(alice).post(f"training/jobs/{job.pk}/pause")
    assert (paused.status_code, paused.json()["status"]) == (202, "pausing")
    again = api(alice).post(f"training/jobs/{job.pk}/resume")
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "conflict"
    TrainingJob.objects.update(status=Status.PAUSED, desired=Desired.PAUSE)
    resumed = api(alice).post(f"training/jobs/{job.pk}/resume")
    assert (resumed.status_code, resumed.json()["status"]) == (202, "pending")
    stopped = api(alice).post(f"training/jobs/{job.pk}/stop")
    assert (stopped.status_code, stopped.json()["status"]) == (202, "stopped")
    for verb in ("start", "pause", "resume", "stop"):
        assert api(alice).post(f"training/jobs/{job.pk}/{verb}").status_code == 409


def test_delete(alice: User, api: Api) -> None:
    job = make_job(alice, Status.RUNNING)
    assert api(alice).delete(f"training/jobs/{job.pk}").status_code == 409
    TrainingJob.objects.update(status=Status.FAILED)
    assert api(alice).delete(f"training/jobs/{job.pk}").status_code == 204
    assert api(alice).get(f"training/jobs/{job.pk}").status_code == 404


@pytest.mark.parametrize("job_id", ["nonsense", "1", "00000000-0000-0000-0000-000000000000"])
def test_no_such_job(alice: User, api: Api, job_id: str) -> None:
    assert api(alice).get(f"training/jobs/{job_id}").status_code == 404


def test_a_failed_job_says_why(alice: User, api: Api) -> None:
    job = make_job(alice, Status.FAILED)
    error = api(alice).get(f"training/jobs/{job.pk}").json()["error"]
    assert error["code"] == "out_of_memory"
    assert error["message"] == "Out of memory"
    assert "CUDA" in error["detail"]


def test_jobs_by_status(alice: User, api: Api) -> None:
    make_job(alice, Status.RUNNING)
    make_job(alice, Status.SUCCESS)
    found = api(alice).get("training/jobs?status=success").json()
    assert [row["status"] for row in found["items"]] == ["success"]
    page = api(alice).get("training/jobs?limit=1&offset=1").json()
    assert (len(page["items"]), page["count"]) == (1, 2)


def test_logs_are_read_to_the_end(alice: User, api: Api) -> None:
    job = make_job(alice, Status.RUNNING)
    for first in range(0, 50, 10):
        add_log(job, [f"line {i}" for i in range(first, first + 10)], first)
    url = f"training/jobs/{job.pk}/logs"
    assert api(alice).get(url).json()["next"] == 50
    lines, after = [], 0
    while True:
        answer = api(alice).get(f"{url}?after={after}&limit=7").json()
        if not answer["lines"]:
            break
        lines += answer["lines"]
        after = answer["next"]
    assert lines == [f"line {i}" for i in range(50)]
    assert after == 50
    assert api(alice).get(f"{url}?after=-1").status_code == 422


def test_metrics_are_read_to_the_end(alice: User, api: Api) -> None:
    job = make_job(alice, Status.RUNNING)
    add_metrics(job)
    url = f"training/jobs/{job.pk}/metrics"
    everything = api(alice).get(url).json()
    assert len(everything["items"]) == 18
    assert {"step", "epoch", "loss", "learning_rate", "grad_norm"} <= everything["items"][0].keys()
    first = api(alice).get(f"{url}?limit=10").json()
    rest = api(alice).get(f"{url}?after={first['next']}").json()
    assert first["items"] + rest["items"] == everything["items"]
    assert api(alice).get(f"{url}?after={rest['next']}").json() == {
        "items": [],
        "next": rest["next"],
    }


def test_hardware(alice: User, api: Api) -> None:
    job = make_job(alice, Status.RUNNING)
    add_hardware(job, 3, has_gpu=True)
    found = api(alice).get(f"training/jobs/{job.pk}/hardware").json()
    assert [row["gpus"][0]["index"] for row in found["items"]] == [0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "content_type", "start"),
    [
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("md", "text/markdown; charset=utf-8", b"# identity"),
        ("pdf", "application/pdf", b"%PDF-"),
    ],
)
def test_report(alice: User, api: Api, kind: str, content_type: str, start: bytes) -> None:
    job = make_job(alice, Status.SUCCESS)
    add_metrics(job)
    answer = api(alice).get(f"training/jobs/{job.pk}/report?format={kind}")
    assert answer.headers["Content-Type"] == content_type
    assert answer.content.strip().startswith(start)


def test_report_has_no_other_format(alice: User, api: Api) -> None:
    job = make_job(alice, Status.SUCCESS)
    assert api(alice).get(f"training/jobs/{job.pk}/report?format=exe").status_code == 422


def test_versions_and_their_deployments(alice: User, api: Api) -> None:
    job = make_job(alice, Status.SUCCESS)
    version = make_version(job)
    found = api(alice).get("training/models").json()["items"][0]
    assert (found["id"], found["job"]) == (version.pk, str(job.pk))
    nothing: dict[str, Any] = {
        "model_id": None,
        "model": None,
        "error": None,
        "id": None,
        "health": {},
        "replicas": [],
    }
    assert found["deployment"] == {"status": "none"} | nothing
    assert api(alice).get(f"training/jobs/{job.pk}").json()["model_version"] == version.pk

    started = api(alice).post(f"training/models/{version.pk}/deploy", name="tuned")
    assert (started.status_code, started.json()["status"]) == (202, "starting")
    assert api(alice).post(f"training/models/{version.pk}/deploy").status_code == 409

    model = providers.create_provider(actor=alice, preset="echo", name="x").models.all()[0]
    Deployment.objects.update(status=Status.RUNNING, provider_model=model)
    running = api(alice).get(f"training/models/{version.pk}").json()["deployment"]
    assert running["status"] == "running"
    assert (running["model_id"], running["model"]) == (model.pk, model.model_id)

    stopped = api(alice).post(f"training/models/{version.pk}/undeploy")
    assert (stopped.status_code, stopped.json()["status"]) == (202, "stopping")
    Deployment.objects.update(status=Status.STOPPED)
    assert api(alice).post(f"training/models/{version.pk}/undeploy").status_code == 409


def test_a_failed_deployment_says_why(alice: User, api: Api) -> None:
    version = make_version(make_job(alice, Status.SUCCESS))
    Deployment.objects.create(
        owner=alice, version=version, name="x", status="failed", reason="start", detail="no port"
    )
    error = api(alice).get(f"training/models/{version.pk}").json()["deployment"]["error"]
    assert (error["code"], error["detail"]) == ("start", "no port")


@pytest.fixture
def adapter() -> Path:
    """The folder of a version, with what a trainer leaves there."""
    folder = Path(settings.TRAINING_ROOT) / "job-1" / "output"
    (folder / "checkpoint-10").mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8}))
    (folder / "adapter_model.safetensors").write_bytes(b"\x00\xff" * 2_000_000)
    (folder / "training_args.bin").write_bytes(b"pickle")
    (folder / "checkpoint-10" / "optimizer.pt").write_bytes(b"x")
    link = folder / "secret"
    link.unlink(missing_ok=True)
    link.symlink_to("/etc/passwd")
    return folder


def test_download_is_a_zip_of_the_weights(alice: User, api: Api, adapter: Path) -> None:
    version = make_version(make_job(alice, Status.SUCCESS, name="客服 模型"), path=str(adapter))
    answer = api(alice).get(f"training/models/{version.pk}/download")
    assert answer.headers["Content-Type"] == "application/zip"
    with pytest.warns(Warning, match="asynchronous iterators"):
        data = b"".join(answer)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        weights = archive.read("客服-模型/adapter_model.safetensors")
    assert names == ["客服-模型/adapter_config.json", "客服-模型/adapter_model.safetensors"]
    assert weights == (adapter / "adapter_model.safetensors").read_bytes()
    assert AuditEvent.objects.filter(action="model.download").exists()


def test_download_stays_below_the_training_root(alice: User, api: Api) -> None:
    version = make_version(make_job(alice, Status.SUCCESS), path="/etc")
    answer = api(alice).get(f"training/models/{version.pk}/download")
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "gone")
