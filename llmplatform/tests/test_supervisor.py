"""Starting and stopping together, and what a killed supervisor leaves behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from llmplatform.supervisor import AlreadyRunning, Part, Supervisor

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
# Starts a child of its own and ignores the polite signal.
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)",
]
# Its child has a session of its own, and a child in it.
DETACHING = ["sh", "-c", "setsid sh -c 'sleep 600 & exec sleep 600' & exec sleep 600"]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmplatform.supervisor.LEFTOVER_GRACE_S", 0.5)
    monkeypatch.setattr("llmplatform.supervisor.CHILDREN_GRACE_S", 0.5)
    monkeypatch.setattr("llmplatform.supervisor.RESTART_PAUSE_S", 0.05)


@pytest.fixture(autouse=True)
def own_signals() -> object:
    kept = {
        number: signal.getsignal(number)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def pids(supervisor: Supervisor) -> list[int]:
    return [process.pid for process in supervisor.running.values()]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(condition: object) -> None:
    assert callable(condition)
    for _attempt in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def test_it_stops_everything_it_started(tmp_path: Path, quick: None) -> None:
    supervisor = Supervisor(tmp_path, [Part("a", SLEEPER), Part("b", STUBBORN, grace_s=0.5)])
    supervisor.start()
    wait_for(lambda: psutil.Process(supervisor.running["b"].pid).children())
    family = [*pids(supervisor), psutil.Process(supervisor.running["b"].pid).children()[0].pid]
    supervisor.stop()
    assert [pid for pid in family if is_alive(pid)] == []
    assert not supervisor.record.exists()


def test_the_rest_waits_for_the_first(tmp_path: Path, quick: None) -> None:
    supervisor = Supervisor(tmp_path, [Part("a", SLEEPER), Part("b", SLEEPER)])
    seen = []

    def is_ready() -> bool:
        seen.append(list(supervisor.running))
        return len(seen) > 2

    supervisor.start(is_ready)
    assert seen[:3] == [["a"]] * 3 and list(supervisor.running) == ["a", "b"]
    supervisor.stop()


def test_a_stop_while_the_first_gets_ready_starts_nothing_else(tmp_path: Path, quick: None) -> None:
    supervisor = Supervisor(tmp_path, [Part("a", SLEEPER), Part("b", SLEEPER)])

    def is_ready() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return False

    supervisor.start(is_ready)
    assert supervisor.is_stopping and list(supervisor.running) == ["a"]
    supervisor.stop()
    assert not any(map(is_alive, pids(supervisor)))


def test_it_starts_again_what_dies(tmp_path: Path, quick: None) -> None:
    supervisor = Supervisor(tmp_path, [Part("a", SLEEPER)])
    supervisor.start()
    first = supervisor.running["a"].pid
    os.kill(first, signal.SIGKILL)

    def stop_when_replaced() -> None:
        supervisor.is_stopping = supervisor.running["a"].pid != first

    supervisor.watch(stop_when_replaced)
    assert is_alive(supervisor.running["a"].pid)
    supervisor.stop()


def test_the_next_start_ends_what_a_killed_one_left(tmp_path: Path, quick: None) -> None:
    killed = Supervisor(tmp_path, [Part("a", SLEEPER), Part("b", STUBBORN, grace_s=0.5)])
    killed.start()
    left = pids(killed)
    # The real supervisor's death would reap its children; here this process is their parent.
    reaper = threading.Thread(target=lambda: [p.wait() for p in killed.running.values()])
    reaper.start()
    assert Supervisor(tmp_path, []).end_leftovers() >= 2
    reaper.join(timeout=10)
    assert [pid for pid in left if is_alive(pid)] == []


def test_what_was_detached_outlives_a_killed_supervisor_and_not_a_stopped_one(
    tmp_path: Path, quick: None
) -> None:
    killed = Supervisor(tmp_path, [Part("a", DETACHING)])
    killed.start()
    wait_for(lambda: len(psutil.Process(pids(killed)[0]).children(recursive=True)) == 2)
    detached = psutil.Process(pids(killed)[0]).children(recursive=True)
    threading.Thread(target=killed.running["a"].wait).start()
    assert Supervisor(tmp_path, []).end_leftovers() == 1
    assert all(is_alive(process.pid) for process in detached), "such as a training"
    for process in detached:
        process.kill()
    supervisor = Supervisor(tmp_path, [Part("a", DETACHING)])
    supervisor.start()
    wait_for(lambda: len(psutil.Process(pids(supervisor)[0]).children(recursive=True)) == 2)
    detached = psutil.Process(pids(supervisor)[0]).children(recursive=True)
    supervisor.stop()
    assert all(is_alive(process.pid) for process in detached)
    supervisor.end_detached()
    assert not any(is_alive(process.pid) for process in detached)


def test_a_stranger_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER)
    try:
        (tmp_path / "processes.json").write_text(f'[{{"pid": {stranger.pid}, "started": 1}}]')
        assert Supervisor(tmp_path, []).end_leftovers() == 0
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_one_supervisor_a_data_folder(tmp_path: Path) -> None:
    first = Supervisor(tmp_path, [])
    first.lock()
    with pytest.raises(AlreadyRunning):
        Supervisor(tmp_path, []).lock()
