"""SwanLab's own board below the address of a job, with the real package and a real browser."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client

from accounts.models import User
from training import boards, mirroring
from training.models import MirrorState, Status, TrainingJob
from training.shim import locks
from training.tests.conftest import run_script, wait_for
from training.tests.rows import make_job

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]


@pytest.fixture
def mirrored(alice: User, training_python: Path) -> Iterator[TrainingJob]:
    """A job whose local run is written by the real mirror."""
    job = make_job(alice, Status.SUCCESS, mirror=MirrorState.DELIVERED, name="客服助手")
    TrainingJob.objects.filter(pk=job.pk).update(swanlab={"mode": "local", "run_id": job.pk.hex})
    (job.folder / "attempt-1").mkdir(parents=True)
    events = [{"type": "metrics", "step": n, "loss": 1 / n} for n in range(1, 31)]
    lines = "".join(json.dumps(each) + "\n" for each in events)
    (job.folder / "attempt-1" / "events.jsonl").write_text(lines)
    spec = job.folder / "mirror.json"
    spec.write_text(json.dumps(mirroring.spec_of(job)))
    assert run_script(training_python, "mirror.py", spec).wait() == 0
    yield job
    pid = locks.holder(job.folder / "board.lock")
    if pid:
        os.kill(pid, signal.SIGKILL)


def url_of(job: TrainingJob, rest: str = "") -> str:
    return f"/training/{job.pk}/swanlab/{rest}"


def test_the_board_shows_the_run_and_nothing_can_be_changed(
    mirrored: TrainingJob, alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    client = client_for(alice)
    page = client.get(url_of(mirrored))
    root = url_of(mirrored).rstrip("/")
    assert page.status_code == 200
    assert f'<base href="{root}/">' in page.content.decode()
    assert f'src="{root}/assets/' in page.content.decode()
    told = client.get(url_of(mirrored, "api/v1/project")).json()["data"]
    assert [each["name"] for each in told["experiments"]] == ["客服助手"]
    points = client.get(url_of(mirrored, "api/v1/experiment/1/tag/train%2Floss")).json()["data"]
    assert len(points["list"]) == 30
    for method in (client.post, client.patch, client.delete):
        assert method(url_of(mirrored, "api/v1/experiment/1")).status_code == 405
    assert client.get(url_of(mirrored, "api/v1/experiment/1/stop")).status_code == 405
    assert client_for(bob).get(url_of(mirrored)).status_code == 404
    pid = locks.holder(mirrored.folder / "board.lock")
    assert client.get(url_of(mirrored, "charts")).status_code == 200
    job = client.get(f"/api/v1/training/jobs/{mirrored.pk}").json()
    assert job["swanlab"]["board"] == url_of(mirrored)
    assert locks.holder(mirrored.folder / "board.lock") == pid, "one process for all of it"


def test_without_our_token_the_process_answers_nothing(mirrored: TrainingJob) -> None:
    import httpx

    boards.fetch(mirrored, "", "", root="/x")
    state = mirrored.folder / "board.json"
    assert state.stat().st_mode & 0o077 == 0
    url = f"http://127.0.0.1:{json.loads(state.read_text())['port']}/api/v1/project"
    assert httpx.get(url, trust_env=False).status_code == 403
    assert httpx.get(url, headers={"x-board-token": "no"}, trust_env=False).status_code == 403


def test_it_leaves_when_the_run_is_written_anew(mirrored: TrainingJob) -> None:
    boards.fetch(mirrored, "", "", root="/x")
    database = mirroring.logdir(mirrored.pk) / "runs.swanlab"
    content = database.read_bytes()
    database.rename(database.with_suffix(".old"))
    database.write_bytes(content)
    wait_for(lambda: locks.holder(mirrored.folder / "board.lock") is None)
    assert boards.fetch(mirrored, "", "", root="/x").status == 200


def test_what_cannot_be_shown_says_why(
    alice: User,
    client_for: Callable[[User], Client],
    settings: LazySettings,
    mirrored: TrainingJob,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_for(alice)
    without = make_job(alice, Status.RUNNING)
    assert client.get(url_of(without)).status_code == 404
    monkeypatch.setattr(boards, "BOARDS_MAX", 0)
    answer = client.get(url_of(mirrored))
    assert answer.status_code == 503 and "Too many boards" in answer.content.decode()
    settings.TRAINING_PYTHON = "/nowhere/python"
    answer = client.get(url_of(mirrored))
    assert answer.status_code == 503 and "no training environment" in answer.content.decode()
    (mirroring.logdir(mirrored.pk) / "runs.swanlab").unlink()
    assert "does not see the files" in client.get(url_of(mirrored)).content.decode()


@pytest.mark.browser
def test_its_charts_are_drawn_in_a_browser(
    mirrored: TrainingJob, alice: User, live_url: str, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    failed: list[str] = []
    page.on("response", lambda told: failed.append(told.url) if told.status >= 400 else None)
    page.on("console", lambda told: failed.append(told.text) if told.type == "error" else None)
    page.goto(f"/training/{mirrored.pk}/")
    link = page.get_by_role("link", name="Open SwanLab's board")
    page.goto(link.get_attribute("href"))
    page.get_by_text("客服助手").first.click()
    page.wait_for_url(f"**/training/{mirrored.pk}/swanlab/experiment/1/**")
    page.goto(f"/training/{mirrored.pk}/swanlab/experiment/1/chart")
    page.get_by_text("train/loss").first.wait_for()
    page.wait_for_selector("canvas")
    assert failed == []
