"""API: `nodes` and `training/queue`."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import AuditEvent, User
from llmplatform.tests.console_cast import GIB, make_job, make_node, make_sample, make_slot
from training.models import BaseModel, Desired, ModelFetch, Status, TrainingJob

Api = Callable[[User], Any]


def make_fetch(owner: User) -> ModelFetch:
    base_model = BaseModel.objects.create(owner=owner, name="x", hub_id="a/b", is_ready=False)
    return ModelFetch.objects.create(
        owner=owner, name="x", base_model=base_model, desired=Desired.RUN
    )


def test_the_machines_are_for_administrators(api: Api, admin_user: User, alice: User) -> None:
    make_slot(make_node(), workload=make_job(alice, status=Status.RUNNING))
    assert api(alice).get("nodes").status_code == 403
    (slot,) = api(admin_user).get("nodes").json()["items"][0]["slots"]
    assert slot["workload"].items() >= {"kind": "train", "name": "maple"}.items()


def test_administrators_drain_and_others_do_not(api: Api, admin_user: User, alice: User) -> None:
    node = make_node()
    assert api(alice).post(f"nodes/{node.pk}/drain").status_code == 403
    assert api(admin_user).post(f"nodes/{node.pk}/drain").json()["draining"] is True
    assert api(admin_user).post(f"nodes/{node.pk}/undrain").json()["draining"] is False
    assert api(admin_user).post("nodes/99999/drain").status_code == 404
    told = AuditEvent.objects.filter(action__startswith="node.").order_by("pk")
    assert list(told.values_list("action", flat=True)) == ["node.drain", "node.undrain"]


def test_it_tells_what_is_there_and_what_runs(api: Api, admin_user: User, alice: User) -> None:
    node = make_node(is_draining=True)
    gpu = {"index": 0, "percent": 40, "used_bytes": 1, "total_bytes": 2, "celsius": 50}
    make_sample(node, gpus=[gpu])
    job = make_job(alice, status=Status.RUNNING)
    make_slot(node, is_gpu=True, name="H100", workload=job)
    make_node("silent", silent_s=9000)
    body = api(admin_user).get("nodes").json()
    assert body["count"] == 2
    first, second = body["items"]
    assert (first["name"], first["live"], first["draining"]) == ("node-a", True, True)
    assert first["cpu"] == {"cores": 8, "percent": 50.0}
    assert first["memory"] == {"total_bytes": 32 * GIB, "used_bytes": 8 * GIB}
    assert first["disk"] == {"total_bytes": 500 * GIB, "free_bytes": 250 * GIB}
    assert first["gpus"] == [gpu] and first["sampled_at"]
    (slot,) = first["slots"]
    assert slot["workload"] == {
        "id": str(job.pk),
        "kind": "train",
        "name": "maple",
        "status": "running",
    }
    assert (second["live"], second["sampled_at"], second["gpus"]) == (False, None, [])
    assert second["cpu"] == {"cores": 8, "percent": None}
    assert second["memory"]["used_bytes"] is None


@pytest.fixture
def waiting(alice: User, bob: User) -> tuple[TrainingJob, TrainingJob]:
    """Alice's is first."""
    node = make_node()
    make_slot(node, workload=make_job(bob, "in the way", status=Status.RUNNING, node=node))
    return tuple(make_job(owner, f"of {owner}") for owner in (alice, bob))  # type: ignore[return-value]


def test_the_queue_is_told_in_order_and_names_no_stranger(
    api: Api, alice: User, admin_user: User, waiting: tuple[TrainingJob, TrainingJob]
) -> None:
    body = api(alice).get("training/queue").json()
    mine, other = body["items"]
    assert (mine["position"], mine["name"], mine["reason"]) == (1, waiting[0].name, "busy")
    assert mine["is_own"] and mine["message"] == "The places are taken by a job of somebody else."
    assert (other["position"], other["id"], other["name"], other["owner"]) == (2, None, None, None)
    assert [share["owner"] for share in body["shares"]] == [alice.email]
    told = api(admin_user).get("training/queue").json()
    assert [row["name"] for row in told["items"]] == [job.name for job in waiting]
    assert "“in the way”" in told["items"][0]["message"]
    assert {share["owner"] for share in told["shares"]} >= {alice.email, admin_user.email}


def test_the_priority_of_what_waits(
    api: Api, alice: User, admin_user: User, waiting: tuple[TrainingJob, TrainingJob]
) -> None:
    mine, others = (f"training/queue/{job.pk}" for job in waiting)
    assert api(alice).patch(others, priority=-5).status_code == 404
    assert api(alice).patch(mine, priority=1).status_code == 422
    assert api(alice).patch(mine, priority=-1).status_code == 204
    assert [row["is_own"] for row in api(alice).get("training/queue").json()["items"]] == [
        False,
        True,
    ]
    assert api(admin_user).patch(mine, priority=5).status_code == 204
    assert api(admin_user).patch(mine, priority=6).status_code == 422
    event = AuditEvent.objects.filter(action="job.priority").latest("pk")
    assert (event.before, event.after) == ({"priority": -1}, {"priority": 5})
    running = TrainingJob.objects.get(name="in the way")
    assert api(admin_user).patch(f"training/queue/{running.pk}", priority=1).status_code == 409


def test_what_waits_can_be_withdrawn_and_started_again(
    api: Api, alice: User, waiting: tuple[TrainingJob, TrainingJob]
) -> None:
    mine, others = (f"training/queue/{job.pk}/withdraw" for job in waiting)
    assert api(alice).post(others).status_code == 404
    assert api(alice).post(mine).status_code == 204
    assert api(alice).post(mine).status_code == 409
    assert len(api(alice).get("training/queue").json()["items"]) == 1
    waiting[0].refresh_from_db()
    assert waiting[0].state == "pending" and not waiting[0].is_queued
    assert api(alice).post(f"training/jobs/{waiting[0].pk}/start").status_code == 202


def test_a_withdrawn_download_ends(api: Api, alice: User) -> None:
    fetch = make_fetch(alice)
    assert api(alice).post(f"training/queue/{fetch.pk}/withdraw").status_code == 204
    fetch.refresh_from_db()
    assert fetch.state == "stopped"
