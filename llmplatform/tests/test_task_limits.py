"""A task that takes too long costs the worker a new beginning, not one of its threads for ever."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmplatform.task_limits import Overdue

WORKER = """
import os, sys, time
sys.path.insert(0, os.getcwd())
import celery.signals, llmplatform.task_limits as limits
from django.conf import settings

settings.configure(CELERY_TASK_TIME_LIMIT=0.3)
limits.LOOK_EVERY_S = 0.1
limits.install()

class Task:
    name = "slow"

celery.signals.worker_ready.send(sender=None)
print("begun", os.getpid(), len(sys.argv), flush=True)
if os.path.exists(sys.argv[1]):
    sys.exit(0)
open(sys.argv[1], "w").close()
celery.signals.task_prerun.send(sender=None, task_id="1", task=Task)
time.sleep(60)
"""


@pytest.mark.parametrize("seconds", [0.0, 59.0, 61.0, 1000.0])
def test_it_begins_anew_when_a_task_takes_too_long(seconds: float) -> None:
    now, begun = [0.0], []
    overdue = Overdue(60, clock=lambda: now[0], begin_anew=lambda: begun.append(now[0]))
    overdue.begun("1", "a")
    overdue.begun("2", "b")
    overdue.ended("2")
    now[0] = seconds
    overdue.begun("3", "c")
    overdue.look()
    assert bool(begun) is (seconds > 60)


def test_what_has_ended_is_not_overdue() -> None:
    now, begun = [0.0], []
    overdue = Overdue(60, clock=lambda: now[0], begin_anew=lambda: begun.append(now[0]))
    overdue.begun("1", "a")
    overdue.ended("1")
    overdue.ended("unknown")
    now[0] = 1000
    overdue.look()
    assert begun == []


def test_a_worker_begins_anew_as_the_same_process(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "before")],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        timeout=50,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == second and "slow takes longer" in done.stderr
