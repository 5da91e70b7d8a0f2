"""How a training ended reaches a webhook once: real worker and beat, an endpoint that fails and
hangs, and a worker that is killed while it waits for the answer. Only pauses are cut short."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts import notices
from accounts.models import Delivery, User
from training import nodes
from training.models import BaseModel, TrainingJob
from training.tests.conftest import wait_for

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]


class Endpoint:
    """Answers with `status`; not at all before `may_answer` is set. `asked`: (status, body)."""

    def __init__(self) -> None:
        self.status, self.may_answer = 200, threading.Event()
        self.may_answer.set()
        self.asked: list[tuple[int, Any]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.asked.append((endpoint.status, body))
                endpoint.may_answer.wait(60)
                with suppress(OSError):
                    self.send_response(endpoint.status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.may_answer.set()
    made.server.shutdown()


class Worker:
    def __init__(self, schedule: Path) -> None:
        queues = f"celery,{nodes.register().queue}"
        celery = [sys.executable, "-m", "celery", "-A", "llmplatform", "worker", "-Q", queues]
        self._process = subprocess.Popen(
            [*celery, "-c", "2", "-B", "-s", str(schedule)],
            env=os.environ | {"ALLOW_PRIVATE_PROVIDER_URLS": "1"},
            start_new_session=True,
            stdout=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """All of its processes, without a word."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[Callable[[], Worker]]:
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(tmp_path / f"schedule-{len(started)}"))
        return started[-1]

    yield start
    for worker in started:
        worker.kill()


def now_due() -> None:
    Delivery.objects.update(due_at=timezone.now())


def test_a_notice_of_a_training_arrives_once(
    alice: User,
    make_job: Callable[..., TrainingJob],
    base_model: BaseModel,
    tiny_model: Path,
    endpoint: Endpoint,
    start_worker: Callable[[], Worker],
) -> None:
    BaseModel.objects.filter(pk=base_model.pk).update(path=str(tiny_model))
    notices.create_channel(user=alice, kind="webhook", name="hook", address=endpoint.url)
    endpoint.status = 500
    worker = start_worker()
    job = make_job(name="told", parameters={"num_train_epochs": 1.0, "logging_steps": 1})
    wait_for(lambda: Delivery.objects.filter(attempts=1).exists())
    job.refresh_from_db()
    assert job.state == "success"
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.error) == ("waiting", "HTTP 500")
    assert delivery.due_at > timezone.now() + timedelta(seconds=15)

    endpoint.status = 200
    endpoint.may_answer.clear()
    now_due()
    wait_for(lambda: len(endpoint.asked) == 2)
    worker.kill()
    delivery.refresh_from_db()
    assert delivery.status == "waiting", "nobody knows what became of it"
    assert delivery.due_at > timezone.now() + timedelta(seconds=60), "nobody else sends it now"

    endpoint.may_answer.set()
    start_worker()
    now_due()
    wait_for(lambda: Delivery.objects.filter(status="sent").exists())
    time.sleep(12)  # beat asks every ten seconds
    assert [status for status, _body in endpoint.asked] == [500, 200, 200]
    title, *_rest = {body["title"] for _status, body in endpoint.asked}
    assert title == "Training “told” is done"
    assert {body["id"] for _status, body in endpoint.asked} == {delivery.pk}
    assert Delivery.objects.get().attempts == 2
