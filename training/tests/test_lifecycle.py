"""Leases, fences and the queue: what may change a status, and what may not."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import AuditEvent, User
from training import lifecycle, scheduling, services
from training.errors import StateConflict
from training.models import BaseModel, Dataset, Node, Slot, Status, TrainingJob, Workload
from training.reconcile import reap

MakeJob = Callable[..., TrainingJob]


@pytest.fixture
def node(db: None) -> Node:
    node = Node.objects.create(name="n1", has_training=True, last_seen_at=timezone.now())
    Slot.objects.create(node=node, index=0)
    return node


def granted(job: Workload) -> Workload:
    [found] = [w for w in scheduling.grant_waiting() if w.pk == job.pk]
    return found


def test_a_job_goes_from_the_queue_to_success(make_job: MakeJob, node: Node) -> None:
    job = make_job()
    assert job.is_queued and job.state == "pending"
    held = granted(job)
    assert held.state == "preparing" and held.node == node and held.fence == 1
    assert node.slots.get().workload_id == job.pk
    lifecycle.mark_running(job.pk, held.fence)
    assert lifecycle.settle(job.pk, held.fence, Status.SUCCESS)
    job.refresh_from_db()
    assert job.state == "success" and job.finished_at and node.slots.get().workload is None
    assert [t.status for t in job.transitions.all()] == ["preparing", "running", "success"]


def test_a_stale_fence_changes_nothing(make_job: MakeJob, node: Node) -> None:
    held = granted(make_job())
    fresh = lifecycle.take_over(held, is_new_attempt=False)
    assert fresh == held.fence + 1
    assert held.renew(held.fence, step=5) is None
    assert not lifecycle.settle(held.pk, held.fence, Status.SUCCESS)
    assert held.renew(fresh, step=5) == "run"
    held.refresh_from_db()
    assert held.step == 5 and held.status == Status.PREPARING


def test_final_is_final(make_job: MakeJob, node: Node) -> None:
    held = granted(make_job())
    lifecycle.settle(held.pk, held.fence, Status.FAILED, reason="data")
    assert not lifecycle.settle(held.pk, held.fence, Status.SUCCESS)
    assert not lifecycle.enqueue(held) and not lifecycle.stop_waiting(held)
    held.refresh_from_db()
    assert held.status == Status.FAILED
    assert services.allowed_actions(held) == ()


def test_a_slot_has_one_workload(make_job: MakeJob, node: Node) -> None:
    first, second = make_job(name="first"), make_job(name="second")
    assert [w.pk for w in scheduling.grant_waiting()] == [first.pk]
    assert scheduling.grant_waiting() == []
    assert scheduling.queue_position(second) == 1
    slot = node.slots.get()
    assert not lifecycle.grant(second, node, [slot]), "the slot is taken: nothing is granted"
    second.refresh_from_db()
    assert second.status == Status.PENDING and second.fence == 0


def test_priority_comes_before_age(make_job: MakeJob, node: Node) -> None:
    make_job(name="old")
    urgent = make_job(name="urgent")
    Workload.objects.filter(pk=urgent.pk).update(priority=5)
    assert [w.pk for w in scheduling.grant_waiting()] == [urgent.pk]


def test_a_draining_or_silent_node_gets_nothing(make_job: MakeJob, node: Node) -> None:
    make_job()
    Node.objects.update(is_draining=True)
    assert scheduling.grant_waiting() == []
    Node.objects.update(is_draining=False, last_seen_at=timezone.now() - timedelta(hours=1))
    assert scheduling.grant_waiting() == []


def test_pause_and_resume_move_through_the_states(
    make_job: MakeJob, node: Node, alice: User
) -> None:
    job = make_job()
    held = granted(job)
    lifecycle.mark_running(job.pk, held.fence)
    job.refresh_from_db()
    assert services.allowed_actions(job) == ("pause", "stop")
    services.pause(workload=job, actor=alice)
    job.refresh_from_db()
    assert job.state == "pausing" and held.renew(held.fence) == "pause"
    lifecycle.settle(job.pk, held.fence, Status.PAUSED)
    job.refresh_from_db()
    assert services.allowed_actions(job) == ("resume", "stop")
    with pytest.raises(StateConflict):
        services.pause(workload=job, actor=alice)
    services.resume(workload=job, actor=alice)
    job.refresh_from_db()
    assert job.is_queued
    again = granted(job)
    assert again.attempt == 2 and again.fence > held.fence
    actions = AuditEvent.objects.filter(action__startswith="job.").values_list("action", flat=True)
    assert sorted(actions) == ["job.create", "job.pause", "job.resume"]


def test_a_queued_job_is_held_and_started(make_job: MakeJob, alice: User) -> None:
    job = make_job(start=False)
    assert job.state == "pending" and services.allowed_actions(job) == ("start", "stop")
    services.start(workload=job, actor=alice)
    job.refresh_from_db()
    assert job.is_queued
    services.pause(workload=job, actor=alice)
    job.refresh_from_db()
    assert job.state == "pending" and not job.is_queued
    with pytest.raises(StateConflict):
        services.resume(workload=job, actor=alice)


def test_stop_ends_what_waits_and_asks_what_runs(
    make_job: MakeJob, node: Node, alice: User
) -> None:
    running = make_job(name="running")
    held = granted(running)
    waiting = make_job(name="waiting")
    services.stop(workload=waiting, actor=alice)
    waiting.refresh_from_db()
    assert waiting.state == "stopped"
    services.stop(workload=running, actor=alice)
    running.refresh_from_db()
    assert running.state == "stopping"
    assert not lifecycle.ask(running, "pause"), "a stop is not taken back"
    lifecycle.settle(running.pk, held.fence, Status.STOPPED)
    with pytest.raises(StateConflict):
        services.stop(workload=running, actor=alice)


def test_a_lost_node_fails_its_job(make_job: MakeJob, node: Node) -> None:
    held = granted(make_job())
    assert reap() == 0
    long_ago = timezone.now() - timedelta(hours=1)
    Workload.objects.filter(pk=held.pk).update(lease_expires_at=long_ago)
    assert reap() == 0, "the node is there and sees to it itself"
    Node.objects.update(last_seen_at=long_ago)
    assert reap() == 1
    held.refresh_from_db()
    assert (held.status, held.reason) == (Status.FAILED, "node_lost")
    assert node.slots.get().workload is None
    assert held.renew(held.fence - 1) is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "../x"}, "name"),
        ({"name": " "}, "name"),
        ({"stage": "dpo"}, "dataset"),
        ({"stage": "ppo"}, "stage"),
        ({"method": "magic"}, "method"),
        ({"parameters": {"per_device_train_batch_size": 0}}, "per_device_train_batch_size"),
        ({"parameters": {"template": "nosuch"}}, "template"),
        ({"parameters": {"output_dir": "/etc"}}, "output_dir"),
        ({"parameters": {"learning_rate": "fast"}}, "learning_rate"),
        ({"parameters": {"learning_rate": float("nan")}}, "learning_rate"),
        ({"parameters": {"bf16": True, "fp16": True}}, "fp16"),
        ({"parameters": {"eval_steps": 5}}, "eval_steps"),
        ({"parameters": {"pref_beta": 0.1}}, "pref_beta"),
        ({"parameters": {"lora_target": "--deepspeed=x"}}, "lora_target"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    make_job: MakeJob, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as error:
        make_job(**changes)
    assert list(error.value.message_dict) == [field]
    assert not TrainingJob.objects.exists()


def test_a_missing_model_folder_is_refused(
    make_job: MakeJob, base_model: BaseModel, tmp_path: Path
) -> None:
    base_model.path = str(tmp_path / "gone")
    base_model.save()
    with pytest.raises(ValidationError, match="missing"):
        make_job()


def test_a_job_is_deleted_once_it_is_over(make_job: MakeJob, alice: User) -> None:
    job = make_job()
    with pytest.raises(StateConflict):
        services.delete_job(job=job, actor=alice)
    services.stop(workload=job, actor=alice)
    job.refresh_from_db()
    services.delete_job(job=job, actor=alice)
    assert not Workload.objects.exists() and Dataset.objects.exists()
