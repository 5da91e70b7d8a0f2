"""The runner as a process, without a training: started, lost, found again, ended."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
from django.conf import settings

from accounts.models import User
from training import lifecycle, reconcile
from training.models import Reason, Status, Workload
from training.shim import locks, orphans
from training.shim import process as processes
from training.shim.endings import told_ending
from training.shim.process import MARK, Runner
from training.shim.supervision import Supervision
from training.shim.works import Training
from training.tests.rows import make_job, make_node
from training.tests.test_model_of_lives import Work

LIVE = "import sys, time; print('here', flush=True); time.sleep(60)"


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    made = Runner(tmp_path / "job" / "attempt-1")
    made.folder.mkdir(parents=True)
    yield made
    made.adopt()
    made.kill()


def start(runner: Runner, code: str = LIVE) -> None:
    runner.start([sys.executable, "-c", code], str(uuid.uuid4()), {})


def fail_to_name_the_child(file: IO[str], pid: int) -> None:
    file.truncate(0)
    file.write(str(pid))
    if pid != os.getpid():
        raise OSError(28, "No space left on device")


def test_a_child_whose_pid_cannot_be_written_is_ended(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "name_holder", fail_to_name_the_child)
    with pytest.raises(OSError, match="No space"):
        start(runner)
    assert locks.holder(runner.lock) is None and not runner.was_started()


def test_without_room_for_its_identity_there_is_no_child(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", is_full)
    with pytest.raises(OSError, match="No space"):
        start(runner)
    assert locks.holder(runner.lock) is None


def test_a_shim_that_died_beside_its_newborn_child_has_a_successor_that_finds_it(
    runner: Runner,
) -> None:
    born = os.fork()
    if born == 0:
        locks.name_holder = lambda file, pid: os._exit(9) if pid != os.getpid() else None
        start(runner)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(born, 0)[1]) == 9
    successor = Runner(runner.folder)
    assert successor.was_started() and successor.is_alive()
    assert successor.adopt()
    assert successor.pid and os.getpgid(successor.pid) == successor.pid
    successor.kill()
    assert not successor.is_alive()


def test_an_earlier_attempt_that_nobody_watches_makes_room(runner: Runner) -> None:
    start(runner)
    later = Runner(runner.folder.with_name("attempt-2"))
    later.folder.mkdir()
    assert not later.was_started()
    later.end_former()
    start(later, "pass")
    assert runner.exit_code() == -9


def test_a_lock_that_another_machine_holds_ends_nothing(runner: Runner) -> None:
    with locks.take(runner.lock):
        assert not runner.adopt()
        with pytest.raises(locks.Held):
            start(runner)
        assert not runner.was_started()


@pytest.mark.django_db(transaction=True)
def test_the_shim_adopts_what_its_predecessor_started(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, node = make_job(alice), make_node()
    assert lifecycle.grant(job, node, list(node.slots.all()))
    workload = Workload.objects.get(pk=job.pk)
    runner = Runner(workload.folder / "attempt-1")
    runner.folder.mkdir(parents=True)
    start(runner, "pass")
    assert runner._child is not None
    runner._child.wait()
    calls: list[str] = []
    monkeypatch.setattr(runner, "adopt", lambda: calls.append("adopted"))
    Supervision(workload, workload.fence, work=Work(), runner=runner)._begin()
    assert calls == ["adopted"]


def test_a_child_sees_what_is_on_the_list_and_nothing_else(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "the platform's own")
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    start(runner, "import os; print(sorted(os.environ))")
    assert runner._child is not None and runner._child.wait(20) == 0
    seen = set(eval(runner.log.read_text()))
    assert {"PATH", "NCCL_DEBUG", MARK} <= seen
    assert seen - {MARK, "PYTHONUNBUFFERED", "LC_CTYPE"} <= set(processes.PASSED_ON)


def orphan_of(workload_id: object, folder: Path | None = None) -> subprocess.Popen[bytes]:
    folder = folder or Path(settings.TRAINING_ROOT) / str(workload_id) / "attempt-1"
    folder.mkdir(parents=True, exist_ok=True)
    command, environment = [sys.executable, "-c", LIVE], {MARK: str(workload_id)}
    started = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE)
    assert started.stdout and started.stdout.readline() == b"here\n"
    return started


@pytest.mark.django_db
def test_processes_of_what_has_ended_are_ended_and_no_others(alice: User, tmp_path: Path) -> None:
    ended = make_job(alice, Status.FAILED, name="ended")
    watched = make_job(alice, Status.STOPPED, name="watched")
    running = make_job(alice, Status.RUNNING, name="running")
    doomed = [orphan_of(ended.pk), orphan_of(uuid.uuid4())]
    spared = [
        orphan_of(watched.pk),
        orphan_of(running.pk),
        orphan_of(uuid.uuid4(), tmp_path / "another platform"),
    ]
    try:
        with locks.take(reconcile.shim_lock(watched)):
            assert orphans.end_orphans() == 2
        assert [process.wait(10) for process in doomed] == [-9, -9]
        assert [process.poll() for process in spared] == [None, None, None]
    finally:
        for process in spared:
            process.kill()
            process.wait()


@pytest.mark.django_db
def test_a_node_looks_for_them_when_it_starts(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "_looked_at", -orphans.LOOK_EVERY_S)
    orphan = orphan_of(make_job(alice, Status.FAILED).pk)
    reconcile.reconcile_node(make_node())
    assert orphan.wait(10) == -9


@pytest.mark.django_db
def test_a_shim_that_ends_meanwhile_does_not_keep_the_others_from_being_suspended(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, told = make_node(), []
    jobs = [make_job(alice, Status.RUNNING, name=str(n), node=node) for n in range(3)]

    def kill(pid: int, number: int) -> None:
        told.append(pid)
        if len(told) == 1:
            raise ProcessLookupError

    answers = {reconcile.shim_lock(job): iter([n + 1]) for n, job in enumerate(jobs)}
    answers[reconcile.shim_lock(jobs[2])] = iter([0, 0, 3])  # locked, and not named yet
    monkeypatch.setattr(os, "kill", kill)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(locks, "holder", lambda lock: next(answers[lock], None))
    assert reconcile.suspend_node(node) == 2
    assert sorted(told) == [1, 2, 3]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("step", "max_steps", "exit_code", "status"),
    [
        (9, 9, 0, Status.SUCCESS),
        (9, 9, None, Status.SUCCESS),
        (8, 9, 0, Status.FAILED),
        (0, 0, 0, Status.FAILED),
        (9, 9, 1, Status.FAILED),
        (9, 9, -9, Status.FAILED),
    ],
)
def test_a_training_is_done_when_its_last_step_is_and_the_process_says_so(
    alice: User, step: int, max_steps: int, exit_code: int | None, status: str
) -> None:
    outcome = {"type": "finished", "step": step, "max_steps": max_steps}
    ending = Training(make_job(alice, Status.RUNNING)).ending(outcome, exit_code)
    assert ending is not None and ending.status == status


@pytest.mark.parametrize(
    ("exit_code", "reason"), [(1, Reason.UNKNOWN), (0, Reason.UNKNOWN), (-9, Reason.KILLED)]
)
def test_a_process_that_ends_without_a_word_has_failed(exit_code: int, reason: str) -> None:
    ending = told_ending(None, exit_code)
    assert ending is not None and (ending.status, ending.reason) == (Status.FAILED, reason)
