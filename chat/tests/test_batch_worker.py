"""The worker of the platform is killed in the middle of a batch comparison."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from accounts.models import User
from chat.batches import services as batches
from chat.models import Batch, BatchCell, BatchStatus, CellStatus
from chat.tests.batch_rows import make_batch
from providers.models import CallRecord, ProviderModel

Start = Callable[..., subprocess.Popen[bytes]]
WAIT_S = 120


@pytest.fixture
def background() -> Iterator[Start]:
    """The platform's own processes, on the test database."""
    environment = {
        **os.environ,
        "PLATFORM_DATA": str(settings.PLATFORM_DATA),
        "DJANGO_SETTINGS_MODULE": "llmplatform.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_ENCRYPTION_KEYS": ",".join(settings.FIELD_ENCRYPTION_KEYS),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start(*part: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "llmplatform.background", *part]
        started.append(subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


def test_a_killed_worker_loses_no_answer_and_doubles_none(
    echo: ProviderModel, alice: User, background: Start
) -> None:
    prompts = "\n".join(f"/long {60 + n}" for n in range(10))
    batch = make_batch(alice, [echo], prompts, calls_at_once=3)
    batches.start(batch=batch, actor=alice)
    cells = BatchCell.objects.filter(batch=batch)
    worker = background("worker", "celery")
    background("beat")
    until(lambda: cells.filter(status=CellStatus.DONE).count() >= 2)
    until(lambda: cells.filter(status=CellStatus.ASKING).exists())
    worker.send_signal(signal.SIGKILL)
    worker.wait()

    kept = dict(cells.filter(status=CellStatus.DONE).values_list("pk", "duration_ms"))
    broken = list(cells.filter(status=CellStatus.ASKING).values_list("run", flat=True))
    assert broken and len(kept) + len(broken) < 10
    cells.filter(status=CellStatus.ASKING).update(beat_at=timezone.now() - timedelta(minutes=1))
    background("worker", "celery")
    until(lambda: Batch.objects.get(pk=batch.pk).status == BatchStatus.DONE)

    assert cells.filter(status=CellStatus.DONE).count() == 10
    for cell in cells.select_related("prompt"):
        sentences = int(cell.prompt.text.split()[1])
        assert cell.answer.count("Sentence") == sentences
    assert kept.items() <= dict(cells.values_list("pk", "duration_ms")).items()
    assert CallRecord.objects.filter(source="batch", status="done").count() == 10
    interrupted = CallRecord.objects.filter(source="batch", status="interrupted")
    assert set(interrupted.values_list("call_id", flat=True)) == set(broken)
