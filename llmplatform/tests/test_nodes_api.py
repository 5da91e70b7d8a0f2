"""`GET /api/v1/nodes`."""

from collections.abc import Callable
from typing import Any

from accounts.models import User
from llmplatform.tests.console_cast import GIB, make_job, make_node, make_sample, make_slot
from training.models import Status

Api = Callable[[User], Any]


def test_it_is_for_administrators(api: Api, alice: User) -> None:
    assert api(alice).get("nodes").status_code == 403


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
