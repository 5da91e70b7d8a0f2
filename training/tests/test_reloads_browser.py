"""A page that is loaded again, and again, while its training goes on."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from playwright.sync_api import expect

from accounts.models import User
from training.models import Status, TrainingJob
from training.shim.recording import Recorder
from training.tests.rows import make_job

pytestmark = pytest.mark.browser
SignIn = Callable[[User], Any]
STEPS, RELOADS = 180, 20


def _told(step: int) -> bytes:
    event = {"type": "metrics", "at": time.time(), "step": step, "loss": 1 / step}
    return json.dumps(event).encode() + b"\n"


def _train(job: TrainingJob) -> None:
    """Records a run as a shim does."""
    recorder = Recorder(job, job.fence)
    for step in range(1, STEPS + 1):
        recorder.store(_told(step), f"line {step}\n".encode(), apart=False)
        time.sleep(0.04)
    connections.close_all()


def _asked(page: Any) -> str:
    """What the run was asked to do, without how long ago that was."""
    text: str = page.locator("[data-part=side]").inner_text()
    return text.split("Created")[0]


def test_reloads_lose_and_double_nothing(alice: User, live_url: str, sign_in: SignIn) -> None:
    job = make_job(alice, Status.RUNNING)
    page = sign_in(alice)
    page.goto(f"/training/{job.pk}/")
    asked = _asked(page)
    training = threading.Thread(target=_train, args=(job,))
    training.start()
    try:
        for _reload in range(RELOADS):
            page.reload(wait_until="domcontentloaded")
            page.wait_for_timeout(100)
    finally:
        training.join()
    expect(page.get_by_role("log")).to_contain_text(f"line {STEPS}")
    lines = page.get_by_role("log").inner_text().split("\n")
    assert [line for line in lines if line] == [f"line {n}" for n in range(1, STEPS + 1)]
    card = page.locator("figure", has_text="Loss").first
    card.get_by_text("Show as table").click()
    shown = card.locator("tbody tr").locator("td:first-child, th:first-child").all_inner_texts()
    assert [int(each) for each in shown] == list(range(1, STEPS + 1))
    assert _asked(page) == asked
