"""Two machines without GPUs, as two node workers of this one: placement, draining, loss of a node,
and one run over both of them with gloo between its processes.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from accounts.models import ApiKey
from training import lifecycle, plain_serving, reconcile, registry, scheduling
from training.models import BaseModel, Member, Node, Slot, TrainingJob, Workload
from training.parallel import Sharing
from training.shim import locks
from training.shim.process import MARK
from training.tests.conftest import wait_for
from training.tests.test_shim import PARAMETERS

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
MakeJob = Callable[..., TrainingJob]
# What a node worker does every few seconds, as a process of its own with its own name.
WORKER = """
import os, time, django
django.setup()
from training import nodes, reconcile
node = nodes.register()
while True:
    reconcile.reconcile_node(nodes.beat())
    time.sleep(0.3)
"""


class NodeWorker:
    def __init__(self, name: str) -> None:
        self.name = name
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env=os.environ | {"NODE_NAME": self.name, "NODE_ADDRESS": "this-machine"},
            cwd=settings.BASE_DIR,
            start_new_session=True,
        )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def node(self) -> Node:
        return Node.objects.get(name=self.name)


def marked(workload: Workload | None = None) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            mark, folder = process.environ().get(MARK), process.cwd()
        except psutil.Error:
            continue
        is_ours = bool(mark) and folder.startswith(str(settings.TRAINING_ROOT))
        if is_ours and (workload is None or mark == str(workload.pk)):
            found.append(process)
    return found


@pytest.fixture
def workers(training_python: Path) -> Iterator[tuple[NodeWorker, NodeWorker]]:
    pair = NodeWorker("cpu-one"), NodeWorker("cpu-two")
    try:
        wait_for(lambda: Node.objects.available().count() == 2)
        yield pair
    finally:
        for worker in pair:
            worker.kill()
        connections.close_all()
        for process in marked():
            process.kill()
        for path in Path(settings.TRAINING_ROOT).glob("*/shim*.lock"):
            if pid := locks.holder(path):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def train(make_job: MakeJob, base_model: BaseModel, tiny_model: Path) -> MakeJob:
    base_model.path = str(tiny_model)
    base_model.save()

    def make(name: str, steps: int = 20, **sharing: Any) -> TrainingJob:
        parameters = PARAMETERS | {"max_steps": steps, "save_steps": 5}
        return make_job(name=name, parameters=parameters, sharing=Sharing(**sharing))

    return make


def until(workload: Any, condition: Callable[[Any], Any], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while True:
        scheduling.grant_waiting()
        workload.refresh_from_db()
        if condition(workload):
            return
        assert time.monotonic() < deadline, (workload.state, workload.reason, workload.detail)
        time.sleep(0.1)


def lose(worker: NodeWorker, workload: Workload) -> None:
    """The machine goes with all that `workload` has there."""
    worker.kill()
    pid = locks.holder(reconcile.shim_lock(workload))
    assert pid
    os.kill(pid, signal.SIGKILL)
    for process in marked(workload):
        process.kill()


def test_one_run_over_two_nodes_loses_one_and_ends_well(
    workers: tuple[NodeWorker, NodeWorker], train: MakeJob
) -> None:
    job = train("wide", nodes=2)
    until(job, lambda j: j.step >= 6)
    assert job.slots.count() == 2
    member = Member.objects.get(workload=job)
    assert {member.node.name, job.node.name} == {"cpu-one", "cpu-two"}  # type: ignore[union-attr]
    first_pids = {process.pid for process in marked(job)}
    assert len(first_pids) == 4, "a launcher and a process on each node"

    lost = next(worker for worker in workers if worker.name == member.node.name)
    lost.kill()
    shim = locks.holder(job.folder / f"shim-{member.rank}.lock")
    assert shim
    os.kill(shim, signal.SIGKILL)
    pid = locks.holder(job.folder / f"runner-{member.rank}.lock")
    assert pid
    os.killpg(pid, signal.SIGKILL)
    Node.objects.filter(pk=member.node_id).update(last_seen_at=timezone.now() - timedelta(hours=1))

    until(job, lambda j: j.is_queued)
    assert not job.slots.exists() and not Member.objects.exists(), "all places are given back"
    wait_for(lambda: not marked(job))
    place = scheduling.place_of(job)
    assert place is not None and place.placement is None, "one node is not enough"

    lost.start()
    until(job, lambda j: j.state in ("success", "failed"))
    assert job.state == "success", (job.reason, job.detail)
    assert job.attempt == 2 and job.restarts == 1 and job.step == 20
    assert job.continuity[-1]["verdict"] in ("same", "not_repeated") and job.checkpoint_step >= 5
    wait_for(lambda: not marked(job))


def test_a_draining_node_finishes_what_it_has_and_gets_nothing_new(
    workers: tuple[NodeWorker, NodeWorker], train: MakeJob
) -> None:
    first = train("first", steps=400)
    until(first, lambda j: j.step >= 1)
    assert first.node is not None
    home = first.node.pk
    Node.objects.filter(pk=home).update(is_draining=True)
    second = train("second", steps=5)
    until(second, lambda j: j.state in ("success", "failed"))
    assert second.state == "success" and second.node_id != home
    first.refresh_from_db()
    assert first.state in ("running", "success"), "what runs there goes on"
    third = train("third", steps=5)
    Node.objects.exclude(pk=home).update(is_draining=True)
    place = scheduling.place_of(third)
    assert place is not None and place.waiting.code == "draining"
    lifecycle.ask(first, "stop")
    until(first, lambda j: j.is_final)


def test_a_run_whose_node_is_lost_moves_to_the_other(
    workers: tuple[NodeWorker, NodeWorker], train: MakeJob
) -> None:
    job = train("mover", steps=40)
    until(job, lambda j: j.checkpoint_step >= 5)
    home = next(worker for worker in workers if job.node and worker.name == job.node.name)
    lose(home, job)
    before = job.checkpoint_step
    long_ago = timezone.now() - reconcile.MOVED_AFTER - timedelta(seconds=1)
    Node.objects.filter(name=home.name).update(last_seen_at=long_ago)
    Workload.objects.filter(pk=job.pk).update(lease_expires_at=long_ago)
    assert reconcile.reap() == 1
    until(job, lambda j: j.state in ("success", "failed"))
    assert job.state == "success", (job.reason, job.detail)
    assert job.node is not None and job.node.name != home.name
    assert job.attempt == 2 and job.continuity[-1]["step"] >= before
    assert Slot.objects.exclude(workload=None).count() == 0


def test_replicas_on_two_nodes_answer_for_one_another(
    workers: tuple[NodeWorker, NodeWorker],
    base_model: BaseModel,
    tiny_model: Path,
    live_url: str,
) -> None:
    base_model.path = str(tiny_model)
    base_model.save()
    owner = base_model.owner
    assert owner is not None
    first = plain_serving.deploy(base_model=base_model, actor=owner, name="twins", replicas=2)
    for row in first.group():
        until(row, lambda d: d.provider_model_id is not None)
    one, other = first.group().select_related("node")
    assert {one.node and one.node.name, other.node and other.node.name} == {"cpu-one", "cpu-two"}

    key = ApiKey.issue(user=owner, name="suite")[1]
    sdk = openai.OpenAI(base_url=f"{live_url}/v1", api_key=key, max_retries=0)
    hello: Any = [{"role": "user", "content": "hello"}]

    def ask() -> None:
        answer = sdk.chat.completions.create(model="twins", messages=hello, max_tokens=4)
        assert answer.choices[0].finish_reason

    for _number in range(8):
        ask()
    lost = next(worker for worker in workers if one.node and worker.name == one.node.name)
    lose(lost, one)
    # Nobody knows yet, and nobody who asks finds out.
    for _number in range(8):
        ask()
    other.refresh_from_db()
    assert other.provider_model is not None and other.provider_model.replica_of_id
    registry.undeploy(version=one.version, actor=owner)
    until(other, lambda d: d.is_final)
