"""Whole runs through the queue, the shim and the real LLaMA-Factory, and every way to lose a part.

A loop in the test stands where beat and worker stand; shims and runners are real processes.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import connections
from safetensors.numpy import load_file

from accounts.models import User
from llmplatform.supervisor import Part, Supervisor
from providers.models import ProviderModel
from providers.services import stream_chat, target_of
from providers.types import ChatMessage, ChatRequest, TextDelta
from training import nodes, registry, services, tasks
from training.models import BaseModel, LogChunk, Metric, ModelVersion, TrainingJob, Workload
from training.reconcile import shim_lock, suspend_node
from training.shim import locks
from training.shim.process import MARK

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
# Long enough to be disturbed, also on a fast machine: 18 steps an epoch.
EPOCHS = 6
STEPS = 18 * EPOCHS
PARAMETERS = {
    **{"learning_rate": 0.001, "num_train_epochs": EPOCHS, "per_device_train_batch_size": 2},
    **{"lora_dropout": 0.1, "logging_steps": 1, "save_steps": 10, "cutoff_len": 128},
}
MakeJob = Callable[..., TrainingJob]


@pytest.fixture
def train(
    make_job: MakeJob, base_model: BaseModel, tiny_model: Path, training_python: Path
) -> Iterator[MakeJob]:
    base_model.path = str(tiny_model)
    base_model.save()

    def make(name: str = "job", **parameters: Any) -> TrainingJob:
        return make_job(name=name, parameters=PARAMETERS | parameters)

    yield make
    connections.close_all()
    for process in processes():
        process.kill()


def processes(workload: Workload | None = None) -> list[psutil.Process]:
    """Runners and what they started, by the mark in their environment; those of this suite's
    process alone, since another one may train at the same time."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = process.environ().get(MARK)
            is_ours = process.cwd().startswith(str(settings.TRAINING_ROOT))
        except psutil.Error:
            continue
        if mark and is_ours and (workload is None or mark == str(workload.pk)):
            found.append(process)
    return found


def turn() -> None:
    """One beat, and what a worker makes of it."""
    tasks.schedule()
    tasks.tick()


def until(workload: Any, condition: Callable[[Any], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while True:
        turn()
        workload.refresh_from_db()
        if condition(workload):
            return
        assert time.monotonic() < deadline, (workload.state, workload.reason, workload.detail)
        time.sleep(0.1)


def is_in(*states: str) -> Callable[[Workload], bool]:
    return lambda workload: workload.state in states


def reached(step: int) -> Callable[[Workload], bool]:
    return lambda workload: workload.step >= step


def weights(job: TrainingJob) -> dict[str, Any]:
    return load_file(Path(job.output_path) / "adapter_model.safetensors")


def is_equal(weights_of_one: dict[str, Any], job: TrainingJob) -> bool:
    other = weights(job)
    assert weights_of_one.keys() == other.keys()
    return max(float(abs(weights_of_one[n] - other[n]).max()) for n in other) == 0


def shim_pid(workload: Workload) -> int:
    pid = locks.holder(shim_lock(workload))
    assert pid
    return pid


def succeed(job: TrainingJob) -> TrainingJob:
    until(job, is_in("success", "failed"))
    assert job.state == "success", (job.reason, job.detail)
    return job


_undisturbed: dict[str, Any] = {}


@pytest.fixture
def undisturbed(train: MakeJob) -> dict[str, Any]:
    """The weights of a run that nobody disturbed; trained once for this module."""
    if not _undisturbed:
        _undisturbed.update(weights(succeed(train("undisturbed"))))
    return _undisturbed


def test_a_run_is_told_registered_served_and_withdrawn(train: MakeJob, alice: User) -> None:
    whole = succeed(train("whole"))
    assert whole.step == whole.max_steps == STEPS
    steps = list(Metric.objects.filter(workload=whole).values_list("step", flat=True))
    assert steps == list(range(1, STEPS + 1))
    assert {"loss", "grad_norm", "learning_rate"} <= Metric.objects.first().values.keys()  # type: ignore[union-attr]
    assert LogChunk.objects.filter(workload=whole).exists()
    assert whole.swanlab["run_id"] and whole.facts["trainable_parameters"] > 0
    version = ModelVersion.objects.get()
    assert version.lineage["dataset_sha256"] == whole.dataset.sha256
    assert version.metrics["train_loss"] > 0

    deployment = registry.deploy(version=version, actor=alice)
    until(deployment, is_in("running", "failed"))
    assert deployment.state == "running", (deployment.reason, deployment.detail)
    model = ProviderModel.objects.for_user(alice).select_related("provider").get()
    request = ChatRequest(
        model.model_id, [ChatMessage("user", "What is 1 plus 2?")], {"max_tokens": 8}
    )

    async def ask() -> str:
        events = stream_chat(target_of(model), request)
        return "".join([e.text async for e in events if isinstance(e, TextDelta)])

    assert async_to_sync(ask)()
    registry.undeploy(version=version, actor=alice)
    assert not ProviderModel.objects.exists(), "gone from every list at once"
    until(deployment, is_in("stopped"))
    assert processes(deployment) == []


def test_pause_and_resume_is_exact(
    train: MakeJob, undisturbed: dict[str, Any], alice: User
) -> None:
    job = train("paused")
    until(job, reached(7))
    services.pause(workload=job, actor=alice)
    until(job, is_in("paused", "failed", "success"))
    assert job.state == "paused" and 7 <= job.step < STEPS
    assert processes(job) == [] and not job.slots.exists()
    paused_at = job.checkpoint_step
    services.resume(workload=job, actor=alice)
    succeed(job)
    assert job.attempt == 2 and job.restarts == 0
    assert is_equal(undisturbed, job)
    steps = list(Metric.objects.filter(workload=job).values_list("step", flat=True))
    assert sorted(steps) == list(range(1, STEPS + 1)) and paused_at in steps
    told = list(job.transitions.values_list("status", "step"))
    assert ("paused", paused_at) in told and ("running", paused_at) in told
    assert told[-1] == ("success", STEPS)


def test_a_killed_shim_is_replaced_and_the_run_goes_on(
    train: MakeJob, undisturbed: dict[str, Any]
) -> None:
    job = train("orphan")
    until(job, reached(5))
    os.kill(shim_pid(job), signal.SIGKILL)
    succeed(job)
    assert job.attempt == 1, "the same process went on"
    assert is_equal(undisturbed, job)
    steps = list(Metric.objects.filter(workload=job).values_list("step", flat=True))
    assert sorted(steps) == list(range(1, STEPS + 1)), "nothing is lost, nothing is told twice"
    assert processes(job) == []


def test_a_lost_machine_resumes_from_the_checkpoint(
    train: MakeJob, undisturbed: dict[str, Any]
) -> None:
    job = train("power-cut")
    until(job, reached(13))
    os.kill(shim_pid(job), signal.SIGKILL)
    for process in processes(job):
        process.kill()
    succeed(job)
    assert job.attempt == 2 and job.restarts == 1
    assert is_equal(undisturbed, job)


def test_a_signal_that_nobody_here_sent_saves_and_the_run_goes_on(
    train: MakeJob, undisturbed: dict[str, Any]
) -> None:
    job = train("signalled")
    until(job, reached(13))
    for process in processes(job):
        process.terminate()
    until(job, lambda workload: workload.attempt == 2)
    assert job.checkpoint_step >= 13, "it saved before it left"
    succeed(job)
    assert is_equal(undisturbed, job)


def test_a_suspended_node_goes_on_at_the_next_start(
    train: MakeJob, undisturbed: dict[str, Any]
) -> None:
    job = train("suspended")
    until(job, reached(5))
    assert suspend_node(nodes.register()) == 1
    job.refresh_from_db()
    assert job.is_queued and processes(job) == []
    until(job, is_in("success", "failed"))
    assert job.state == "success" and is_equal(undisturbed, job)


def test_a_stopped_run_leaves_nothing(train: MakeJob, alice: User) -> None:
    job = train("stopped", num_train_epochs=50)
    until(job, reached(2))
    services.stop(workload=job, actor=alice)
    until(job, is_in("stopped", "failed"))
    assert job.state == "stopped" and processes(job) == []
    assert not ModelVersion.objects.exists()


def test_a_killed_runner_is_a_failure_with_its_reason(train: MakeJob) -> None:
    job = train("killed", num_train_epochs=50)
    until(job, reached(2))
    for process in processes(job):
        process.kill()
    until(job, is_in("failed", "success"))
    assert (job.state, job.reason) == ("failed", "killed")
    assert not job.slots.exists()


def test_a_model_that_vanished_is_said_before_a_process_starts(
    train: MakeJob, base_model: BaseModel, tmp_path: Path
) -> None:
    job = train("vanished")
    BaseModel.objects.filter(pk=base_model.pk).update(path=str(tmp_path / "gone"))
    until(job, is_in("failed"))
    assert job.reason == "model" and "gone" in job.detail
    assert processes(job) == []


@pytest.mark.parametrize("loss", ["worker", "supervisor"])
def test_a_killed_worker_or_supervisor_costs_a_run_nothing(
    train: MakeJob, undisturbed: dict[str, Any], tmp_path: Path, loss: str
) -> None:
    """The real worker on the broker that the settings name."""
    command = [sys.executable, "-m", "llmplatform.background", "worker"]
    part = Part("worker", [*command, "celery", nodes.register().queue])

    def started() -> subprocess.Popen[bytes]:
        supervisor = Supervisor(tmp_path, [part])
        supervisor.end_leftovers()
        supervisor._start(part)
        return supervisor.running["worker"]

    worker = started()
    try:
        job = train(loss)
        _look(job, reached(5))
        if loss == "worker":
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
            _look(job, reached(job.step + 3))
        threading.Thread(target=worker.wait, daemon=True).start()  # as init would
        worker = started()
        _look(job, is_in("success", "failed"))
        assert job.state == "success" and job.attempt == 1
        assert is_equal(undisturbed, job)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def _look(workload: Any, condition: Callable[[Any], Any], seconds: float = 300) -> None:
    """Only look: somebody else does the work."""
    deadline = time.monotonic() + seconds
    while not condition(workload):
        assert time.monotonic() < deadline, workload.state
        time.sleep(0.1)
        workload.refresh_from_db()
