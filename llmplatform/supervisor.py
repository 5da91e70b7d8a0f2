"""Starts web, worker and beat together and stops them together, whatever happened last time.

What it starts is written to `run/processes.json` as pid and start time, so that the next start
ends what a killed supervisor left behind, and never a stranger that got the same pid.
"""

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

logger = logging.getLogger(__name__)

UVICORN_OPTIONS = [
    *("--no-access-log", "--no-server-header", "--log-level", "warning"),
    *("--timeout-graceful-shutdown", "5", "--ws-max-size", "1048576"),
    # A compressor takes more memory than all else about a socket, whose words are short.
    *("--ws-per-message-deflate", "false"),
    *("--http", "llmplatform.server:OneWriteProtocol", "--no-proxy-headers"),
]
READY_WITHIN_S = 60.0
LEFTOVER_GRACE_S = 5.0
CHILDREN_GRACE_S = 2.0
RESTART_PAUSE_S = 2.0


class AlreadyRunning(Exception):
    """Another supervisor holds the lock of this data folder."""


@dataclass(frozen=True)
class Part:
    """One long-running process of the platform, and how long it may take to end by itself."""

    name: str
    command: Sequence[str]
    grace_s: float = 10.0


def parts(*, host: str, port: int, queue: str) -> list[Part]:
    """`queue` is this machine's own: the worker is also a node worker."""
    python = sys.executable
    background = [python, "-m", "llmplatform.background"]
    return [
        Part(
            "web",
            [
                *(python, "-m", "uvicorn", "llmplatform.asgi:application"),
                *("--host", host, "--port", str(port), *UVICORN_OPTIONS),
            ],
        ),
        # Tasks are short nudges, and losing one does no harm: no reason to wait for an idle pool.
        Part(
            "worker",
            [*background, "worker", "celery", queue],
            grace_s=2.0,
        ),
        Part("beat", [*background, "beat"]),
    ]


class Supervisor:
    """Runs `parts` until it is told to stop; a part that dies is started again."""

    def __init__(self, folder: Path, parts: Sequence[Part]) -> None:
        self.folder = folder
        self.parts = parts
        self.record = folder / "processes.json"
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.is_stopping = False
        self._detached: list[psutil.Process] = []
        self._lock: IO[str] | None = None

    def lock(self) -> None:
        """Raises AlreadyRunning."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "supervisor.lock").open("w")
        # Children must not inherit it, or an orphan would keep the folder locked.
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunning from error

    def end_leftovers(self) -> int:
        """End processes of an earlier supervisor that was killed; how many there were. What they
        detached (trainings above all) goes on, and is found by its locks."""
        try:
            known = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return 0
        families = []
        for row in known:
            try:
                process = psutil.Process(row["pid"])
                if abs(process.create_time() - row["started"]) < 1:
                    families.append((LEFTOVER_GRACE_S, _family(process)[0]))
            except psutil.NoSuchProcess:
                continue
        _end(families)
        self.record.unlink(missing_ok=True)
        return sum(len(family) for _grace_s, family in families)

    def start(self, is_ready: Callable[[], bool] = lambda: True) -> None:
        """The first part alone until it `is_ready`: starting together they slow each other down."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_signal)
        deadline = time.monotonic() + READY_WITHIN_S
        for part in self.parts:
            if self.is_stopping:
                return
            self._start(part)
            while not (self.is_stopping or is_ready() or time.monotonic() > deadline):
                time.sleep(0.05)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.is_stopping = True

    def _start(self, part: Part) -> None:
        # A session of its own: Ctrl-C reaches the supervisor alone, which stops them in order.
        self.running[part.name] = subprocess.Popen(part.command, start_new_session=True)
        rows = []
        for process in self.running.values():
            try:
                started = psutil.Process(process.pid).create_time()
            except psutil.NoSuchProcess:
                continue
            rows.append({"pid": process.pid, "started": started})
        draft = self.record.with_suffix(".new")
        draft.write_text(json.dumps(rows))
        draft.replace(self.record)

    def watch(self, tick: Callable[[], None] = lambda: None) -> None:
        """Until told to stop: start again what died. `tick` runs about twice a second."""
        while not self.is_stopping:
            for part in self.parts:
                code = self.running[part.name].poll()
                if code is not None and not self.is_stopping:
                    logger.error("%s ended with code %s; starting it again", part.name, code)
                    time.sleep(RESTART_PAUSE_S)
                    self._start(part)
            tick()
            time.sleep(0.5)

    def stop(self) -> None:
        """Everything it started, with what that started: all at once, each with its own grace.
        What was detached is left to its own rules, and to `end_detached`."""
        families = []
        for part in self.parts:
            process = self.running.get(part.name)
            if process is None or process.poll() is not None:
                continue
            with contextlib.suppress(psutil.NoSuchProcess):
                family, detached = _family(psutil.Process(process.pid))
                families.append((part.grace_s, family))
                self._detached += detached
        _end(families)
        for process in self.running.values():
            process.wait()
        self.record.unlink(missing_ok=True)

    def end_detached(self) -> None:
        """What `stop` left, once trainings and deployments are suspended: boards and the like,
        which would leave in a few minutes by themselves."""
        for process in self._detached:
            _signal(process, signal.SIGTERM)
        _gone, alive = psutil.wait_procs(self._detached, timeout=CHILDREN_GRACE_S)
        for process in alive:
            _signal(process, signal.SIGKILL)


def _family(head: psutil.Process) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """Those of its session, which it leads, and those that left it with all that they started."""
    family = [head]
    detached: list[psutil.Process] = []
    for process in head.children(recursive=True):
        try:
            is_near = os.getsid(process.pid) == head.pid
        except ProcessLookupError:
            continue
        (family if is_near else detached).append(process)
    return family, detached


def _end(families: Sequence[tuple[float, Sequence[psutil.Process]]]) -> None:
    """Ask the head of each family to end; what is still there after its grace is killed, and the
    children it left behind are asked in their turn."""
    for _grace_s, (head, *_children) in families:
        _signal(head, signal.SIGTERM)
    began = time.monotonic()
    for grace_s, (head, *_children) in sorted(families, key=lambda each: each[0]):
        psutil.wait_procs([head], timeout=max(0.0, grace_s - (time.monotonic() - began)))
        _signal(head, signal.SIGKILL)
    rest = [process for _grace_s, family in families for process in family]
    for process in rest:
        _signal(process, signal.SIGTERM)
    _gone, alive = psutil.wait_procs(rest, timeout=CHILDREN_GRACE_S)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=CHILDREN_GRACE_S)


def _signal(process: psutil.Process, signum: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signum)
