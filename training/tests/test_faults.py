"""What a shim does when the database does not answer, or takes something never."""

import json
import time
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from django.db import (
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from training import lifecycle
from training.models import LogChunk, Metric, Note, Sample, Status, TrainingJob, Workload
from training.shim import locks, supervision
from training.shim.endings import Ending
from training.shim.faults import is_passing, reason_of
from training.shim.process import Runner
from training.shim.supervision import Supervision
from training.tests.rows import make_node
from training.tests.test_model_of_lives import Work

MakeJob = Callable[..., TrainingJob]


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (OperationalError("connection refused"), True),
        (OperationalError("database is locked"), True),
        (OperationalError("database or disk is full"), True),
        (InternalError("cannot execute UPDATE in a read-only transaction"), True),
        (InterfaceError("connection already closed"), True),
        (OperationalError("no such column: training_workload.mood"), False),
        (OperationalError("(1054, \"Unknown column 'mood' in 'SELECT'\")"), False),
        (ProgrammingError('column "mood" does not exist'), False),
        (IntegrityError("NOT NULL constraint failed"), False),
        (DataError("value too long"), False),
    ],
)
def test_faults_that_pass_and_faults_that_stay(fault: Error, passes: bool) -> None:
    assert is_passing(fault) is passes


@pytest.mark.parametrize(
    ("number", "reason"), [(28, "disk_full"), (122, "disk_full"), (2, "start")]
)
def test_why_a_process_could_not_be_started(number: int, reason: str) -> None:
    assert reason_of(OSError(number, "x")) == reason


class EndedRunner(Runner):
    """Was alive once."""

    def exit_code(self) -> int | None:
        return 0


@pytest.fixture
def watched(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Supervision]]:
    """A supervision of a job whose runner told `events` and was heard no more."""
    held: list[IO[str]] = []
    monkeypatch.setattr(supervision, "RETRY_DATABASE_EVERY_S", 0)
    monkeypatch.setattr(supervision, "BEFORE_SUCCESSOR_S", 0)
    node = make_node()

    def watch(*events: dict[str, Any], log: str = "", work: Any = None) -> Supervision:
        job = make_job()
        assert lifecycle.grant(job, node, list(node.slots.all()))
        workload = Workload.objects.get(pk=job.pk)
        runner = EndedRunner(workload.folder / "attempt-1")
        runner.folder.mkdir(parents=True)
        told = "".join(json.dumps({"at": 1.0, **event}) + "\n" for event in events)
        runner.events.write_text(told)
        runner.log.write_text(log)
        held.append(locks.take(runner.lock))
        return Supervision(workload, 1, work=work or Work(), runner=runner)

    yield watch
    for lock in held:
        lock.close()


def loss(step: Any, value: float) -> dict[str, Any]:
    return {"type": "metrics", "step": step, "loss": value}


def test_what_no_column_takes_is_left_out_and_said(watched: Callable[..., Supervision]) -> None:
    items = [{"position": 0, "prompt": "x", "output": "\ud800"}]
    watch = watched(
        {"type": "started", "step": 0, "max_steps": 9},
        loss(1, 2.5),
        {"type": "samples", "step": 1, "items": items},
        loss(-5, 2.4),
        loss(2, 2.3),
        log="a line\n",
    )
    watch._tick()
    assert list(Metric.objects.values_list("step", flat=True)) == [1, 2]
    assert not Sample.objects.exists()
    text = "\n".join(LogChunk.objects.order_by("first").values_list("text", flat=True))
    assert "a line" in text
    assert "1 × samples could not be stored" in text and "1 × metrics could not" in text
    row = Workload.objects.get(pk=watch.workload.pk)
    assert row.status == "running"
    assert row.events_offset == watch.runner.events.stat().st_size, "it does not stumble again"


def test_a_batch_that_is_undone_is_told_once(
    watched: Callable[..., Supervision], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched({"type": "started", "step": 0, "max_steps": 9}, loss(1, 2.5), loss(2, 2.3))
    renew, failures = Workload.renew, [1, 1]

    def renew_later(self: Workload, fence: int, **changes: Any) -> str | None:
        if failures:
            failures.pop()
            raise OperationalError("server closed the connection unexpectedly")
        return renew(self, fence, **changes)

    monkeypatch.setattr(Workload, "renew", renew_later)
    monkeypatch.setattr(supervision.connection, "close", lambda: None)
    watch._tick()
    assert failures == []
    assert list(Metric.objects.values_list("step", flat=True)) == [1, 2]
    assert watch.recorder._points == 2


def test_a_clock_that_jumps_makes_no_run_look_stalled(
    watched: Callable[..., Supervision], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [{"type": "progress", "step": n, "max_steps": 9, "at": float(n)} for n in range(1, 7)]
    watch = watched({"type": "started", "step": 0, "max_steps": 9, "at": 0.5}, *steps)
    watch._tick()
    monkeypatch.setattr("time.time", lambda: 4e9)
    watch._renewed_at = 0.0
    watch._tick()
    assert not Note.objects.exists()
    passed = time.monotonic() + 3600
    monkeypatch.setattr("time.monotonic", lambda: passed)
    watch._tick()
    assert [note.kind for note in Note.objects.all()] == ["stalled"], "an hour that did pass"


def test_a_column_that_is_gone_ends_the_shim_and_not_the_training(
    watched: Callable[..., Supervision], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched(loss(1, 2.5))

    def renew(self: Workload, fence: int, **changes: Any) -> str | None:
        raise ProgrammingError('column "mood" does not exist')

    monkeypatch.setattr(Workload, "renew", renew)
    with pytest.raises(ProgrammingError):
        watch._tick()
    assert watch.runner.is_alive()


class RefusedWork(Work):
    """Its end breaks a constraint for the first `times`."""

    def __init__(self, times: int) -> None:
        self.times = times

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        self.times -= 1
        if self.times >= 0:
            raise IntegrityError("UNIQUE constraint failed: training_modelversion.number")


@pytest.mark.parametrize(("times", "status"), [(0, "success"), (2, "success"), (99, "failed")])
def test_an_end_that_is_refused_is_tried_again_and_then_said(
    watched: Callable[..., Supervision], times: int, status: str
) -> None:
    watch = watched(work=RefusedWork(times))
    watch._finish(Ending(Status.SUCCESS), {"type": "finished"})
    row = Workload.objects.get(pk=watch.workload.pk)
    assert row.status == status and not row.slots.exists()
    assert ("UNIQUE constraint" in row.detail) is (status == "failed")


def test_a_full_disk_does_not_end_the_shim_that_asks(
    watched: Callable[..., Supervision], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = watched()
    watch.runner.control.with_suffix(".new").symlink_to("/dev/full")
    lifecycle.ask(watch.workload, "pause")
    watch._tick()
    assert not watch.runner.control.exists()
    watch.runner.control.with_suffix(".new").unlink()
    watch._tick()
    assert watch.runner.control.read_text() == "pause"
