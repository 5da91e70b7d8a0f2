"""Runs in SwanLab, with its own package: whatever it does, training and curves are whole."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from accounts.models import User
from training import mirroring, services, tasks
from training.models import BaseModel, Metric, MirrorState, Status, TrainingJob
from training.shim import locks
from training.tests.conftest import wait_for
from training.tests.rows import make_job, make_node
from training.tests.swanlab_server import KEY, SwanLabServer, swanlab_server

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]
STEPS = 30


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, settings: LazySettings) -> Iterator[SwanLabServer]:
    settings.SWANLAB_MODE = "self-hosted"
    with swanlab_server() as found:
        monkeypatch.setenv("SWANLAB_API_HOST", found.url)
        monkeypatch.setenv("SWANLAB_API_KEY", KEY)
        yield found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mirror that failed is started again without a pause."""
    monkeypatch.setattr(mirroring, "RETRY_FIRST_S", 0.0)


@pytest.fixture
def mirrored(alice: User, training_python: Path) -> TrainingJob:
    job = make_job(alice, Status.RUNNING, node=make_node(), mirror=MirrorState.WAITING)
    (job.folder / "attempt-1").mkdir(parents=True)
    return job


def tell(job: TrainingJob, *events: dict[str, Any], attempt: int = 1) -> None:
    path = job.folder / f"attempt-{attempt}" / "events.jsonl"
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps({"at": time.time()} | event) + "\n" for event in events)


def metrics(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"type": "metrics", "step": step, "epoch": step / 10, "loss": 1 / step, "grad_norm": 0.5}
        for step in range(first, last + 1)
    ]


def look(job: TrainingJob) -> TrainingJob:
    assert job.node is not None
    mirroring.look_after(job.node)
    job.refresh_from_db()
    return job


def end(job: TrainingJob, status: str = Status.SUCCESS) -> None:
    TrainingJob.objects.filter(pk=job.pk).update(status=status)


def is_delivered(job: TrainingJob) -> bool:
    return look(job).mirror == MirrorState.DELIVERED


def test_every_step_arrives_once(mirrored: TrainingJob, server: SwanLabServer) -> None:
    tell(mirrored, {"type": "started", "step": 0}, *metrics(1, STEPS))
    tell(mirrored, {"type": "metrics", "step": STEPS, "eval_loss": 0.4, "eval_runtime": 1})
    tell(mirrored, {"type": "finished", "step": STEPS})
    end(mirrored)
    wait_for(lambda: is_delivered(mirrored))
    [points] = server.points.values()
    assert list(points["train/loss"]) == list(range(1, STEPS + 1))
    assert points["eval/loss"] == {STEPS: 0.4}
    assert server.states == {mirrored.pk.hex: "FINISHED"}
    assert mirrored.swanlab["url"].startswith(server.url)
    assert not mirrored.swanlab["error"]


def test_a_killed_mirror_is_started_again_and_fills_the_gap(
    mirrored: TrainingJob, server: SwanLabServer
) -> None:
    tell(mirrored, {"type": "started", "step": 0}, *metrics(1, 10))
    with locks.take(mirrored.folder / "runner.lock"):
        look(mirrored)
        wait_for(lambda: server.points.get(mirrored.pk.hex, {}).get("train/loss"))
        pid = locks.holder(mirrored.folder / "mirror.lock")
        assert pid
        os.kill(pid, signal.SIGKILL)
        tell(mirrored, *metrics(11, STEPS), {"type": "paused", "step": STEPS})
    end(mirrored, Status.FAILED)
    wait_for(lambda: is_delivered(mirrored))
    [points] = server.points.values()
    assert list(points["train/loss"]) == list(range(1, STEPS + 1))
    assert server.resumed == 1 and server.told_twice == 0
    assert server.states == {mirrored.pk.hex: "ABORTED"}


def test_a_paused_run_is_delivered_and_goes_on_later(
    mirrored: TrainingJob, server: SwanLabServer
) -> None:
    tell(mirrored, *metrics(1, 10), {"type": "paused", "step": 10})
    end(mirrored, Status.PAUSED)
    wait_for(lambda: look(mirrored).swanlab.get("is_ended"))
    assert mirrored.mirror == MirrorState.WAITING
    look(mirrored)
    assert locks.holder(mirrored.folder / "mirror.lock") is None, "nothing is left to do"
    tell(mirrored, {"type": "started", "step": 10}, *metrics(11, STEPS), attempt=2)
    tell(mirrored, {"type": "failed", "message": "CUDA out of memory"}, attempt=2)
    end(mirrored, Status.FAILED)
    wait_for(lambda: is_delivered(mirrored))
    [points] = server.points.values()
    assert list(points["train/loss"]) == list(range(1, STEPS + 1))
    assert server.told_twice == 0 and server.states == {mirrored.pk.hex: "CRASHED"}


@pytest.mark.usefixtures("at_once")
def test_a_server_that_is_away_is_told_and_tried_again(
    mirrored: TrainingJob, server: SwanLabServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWANLAB_API_KEY", "wrong")
    tell(mirrored, *metrics(1, STEPS), {"type": "finished", "step": STEPS})
    end(mirrored)
    wait_for(lambda: look(mirrored).swanlab.get("error"))
    assert mirrored.mirror == MirrorState.WAITING and not server.points
    monkeypatch.setenv("SWANLAB_API_KEY", KEY)
    wait_for(lambda: is_delivered(mirrored))
    assert len(server.points[mirrored.pk.hex]["train/loss"]) == STEPS


def test_after_a_failure_there_is_a_pause(mirrored: TrainingJob, server: SwanLabServer) -> None:
    tell(mirrored, *metrics(1, 2), {"type": "finished", "step": 2})
    told = {"error": "AuthenticationError", "failures": 3, "at": time.time() - 100}
    (mirrored.folder / "swanlab.json").write_text(json.dumps(told))
    look(mirrored)
    assert locks.holder(mirrored.folder / "mirror.lock") is None
    told["at"] = time.time() - 130
    (mirrored.folder / "swanlab.json").write_text(json.dumps(told))
    look(mirrored)
    assert locks.holder(mirrored.folder / "mirror.lock") is not None
    end(mirrored)
    wait_for(lambda: is_delivered(mirrored))


def test_a_local_run_has_a_folder_of_its_own(mirrored: TrainingJob) -> None:
    tell(mirrored, *metrics(1, STEPS), {"type": "finished", "step": STEPS})
    end(mirrored)
    wait_for(lambda: is_delivered(mirrored))
    folder = mirroring.logdir(mirrored.pk)
    board = sqlite3.connect(folder / "runs.swanlab")
    assert board.execute("select name, status from experiment").fetchall() == [("identity", 1)]
    [log] = folder.glob("run-*/logs/1/*.log")
    assert [json.loads(line)["index"] for line in log.open()] == list(range(1, STEPS + 1))
    assert "SHA-256" not in str(mirrored.swanlab) and mirrored.swanlab["url"] is None


def test_nothing_is_mirrored_when_it_is_off(mirrored: TrainingJob, settings: LazySettings) -> None:
    settings.SWANLAB_MODE = "off"
    tell(mirrored, *metrics(1, 2))
    look(mirrored)
    assert locks.holder(mirrored.folder / "mirror.lock") is None
    assert mirrored.swanlab == {}


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored")
@pytest.mark.usefixtures("at_once")
def test_a_network_that_is_lost_in_mid_run_costs_nothing(
    server: SwanLabServer,
    make_job: Callable[..., TrainingJob],
    base_model: BaseModel,
    tiny_model: Path,
    alice: User,
) -> None:
    base_model.path = str(tiny_model)
    base_model.save()
    parameters = {"num_train_epochs": 40, "per_device_train_batch_size": 2, "logging_steps": 1}
    job = make_job("mirrored", parameters=parameters | {"cutoff_len": 64})

    def turn() -> TrainingJob:
        tasks.schedule()
        tasks.tick()
        job.refresh_from_db()
        return job

    def is_halfway() -> bool:
        told = server.points.get(turn().pk.hex, {}).get("train/loss")
        return bool(told) or job.is_final

    wait_for(is_halfway)
    assert not job.is_final, "the run is too short to be disturbed"
    server.is_blocked = True
    wait_for(lambda: turn().is_final)
    assert job.status == Status.SUCCESS, (job.reason, job.detail)
    steps = list(range(1, job.max_steps + 1))
    rows = Metric.objects.filter(workload=job, values__has_key="loss")
    assert list(rows.order_by("step").values_list("step", flat=True)) == steps
    assert len(server.points[job.pk.hex]["train/loss"]) < len(steps)
    server.is_blocked = False
    wait_for(lambda: turn().mirror == MirrorState.DELIVERED)
    assert sorted(server.points[job.pk.hex]["train/loss"]) == steps
    services.delete_job(job=job, actor=alice)
    assert not mirroring.logdir(job.pk).exists()
