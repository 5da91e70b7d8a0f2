"""The main job in Chromium, every part real: upload, train, deploy, chat with the result."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from django.db import connections

from accounts.models import User
from accounts.services import create_key
from training import tasks
from training.models import BaseModel
from training.tests.conftest import PAIRS, tiny_model, training_python

__all__ = ["tiny_model", "training_python"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.training,
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
WITHIN_MS = 300_000


@pytest.fixture
def worker(live_url: str) -> Iterator[None]:
    """What beat and a node worker do, in a thread."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            tasks.schedule()
            tasks.tick()
            time.sleep(0.3)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join(timeout=30)


@pytest.mark.usefixtures("worker")
def test_from_a_file_to_chatting_with_what_it_taught(
    sign_in: Callable[[User], Any],
    alice: User,
    live_url: str,
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    BaseModel.objects.create(owner=alice, name="tiny", path=str(tiny_model), template="qwen")
    file = tmp_path / "sums.json"
    rows = [{"instruction": q, "input": "", "output": a} for q, a in PAIRS]
    file.write_text(json.dumps([*rows, {"instruction": "no answer"}]))
    page = sign_in(alice)

    page.goto("/datasets/new/")
    page.set_input_files("[name=file]", str(file))
    page.fill("[name=name]", "sums")
    page.click("form[data-upload] button[type=submit]")
    page.get_by_text("36 kept").wait_for(timeout=WITHIN_MS)
    page.get_by_role("link", name="Train on this").click()

    page.select_option("[name=base_model]", label="tiny")
    page.fill("[name=name]", "adder")
    page.fill("[name=num_train_epochs]", "2")
    page.get_by_role("button", name="Start training").click()
    page.wait_for_url("**/training/*-*/")
    page.locator("[data-part=head]").get_by_text("Success").wait_for(timeout=WITHIN_MS)
    page.locator("path.curve").first.wait_for()
    page.locator("[data-log]").get_by_text("loss").first.wait_for()

    page.goto("/models/")
    page.get_by_role("button", name="Deploy").click()
    link = page.get_by_role("link", name="Chat with it")
    for _attempt in range(60):
        page.goto("/models/")
        if link.count():
            break
        page.wait_for_timeout(1000)
    link.first.click()
    page.fill("textarea[name=content]", "What is 1 plus 2?")
    page.get_by_role("button", name="Send").click()
    page.locator(".message-assistant[data-status=done]").wait_for(
        state="attached", timeout=WITHIN_MS
    )

    client = openai.OpenAI(
        base_url=f"{live_url}/v1", api_key=create_key(user=alice, name="sdk")[1], max_retries=0
    )
    answer = client.chat.completions.create(
        model="adder", messages=[{"role": "user", "content": "What is 1 plus 2?"}], max_tokens=8
    )
    assert answer.choices[0].finish_reason in ("stop", "length")
