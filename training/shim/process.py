"""The runner as a process: start it, find it again, signal it, learn how it ended.

The runner inherits a locked file, so that "it is alive" is "the lock is held", for as long as any
process of its group lives, whoever its parent is by then.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from training.shim import locks

# What a training process may see of our environment; secrets of the platform are not among it.
PASSED_ON = (
    *(
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TMPDIR",
        "TZ",
        "LD_LIBRARY_PATH",
        "HF_HOME",
        "HF_ENDPOINT",
    ),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "CUDA_HOME", "OMP_NUM_THREADS"),
    *("MODELSCOPE_CACHE", "MODELSCOPE_ENDPOINT"),
    *("NCCL_SOCKET_IFNAME", "NCCL_IB_DISABLE", "NCCL_P2P_DISABLE", "NCCL_DEBUG"),
    *("GLOO_SOCKET_IFNAME", "TP_SOCKET_IFNAME"),
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "USE_MODELSCOPE_HUB"),
)
MARK = "LLMPLATFORM_WORKLOAD"


def _leader(path: Path) -> int | None:
    """Of the group of processes that have the file open, without this one; None: there is none."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            is_leader = process.pid != os.getpid() and os.getpgid(process.pid) == process.pid
            if is_leader and _has_open(process, path):
                return process.pid
    return None


def _has_open(process: psutil.Process, path: Path) -> bool:
    return any(file.path == str(path.resolve()) for file in process.open_files())


class Runner:
    """One attempt's process on this node, the one with `rank`; `folder` is the attempt's."""

    def __init__(self, folder: Path, rank: int = 0) -> None:
        self.folder = folder
        self._suffix = f"-{rank}" if rank else ""
        self.lock = folder.parent / f"runner{self._suffix}.lock"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / f"log{self._suffix}.txt"

    @property
    def control(self) -> Path:
        return self.folder / "control"

    @property
    def spec(self) -> Path:
        return self.folder / "spec.json"

    @property
    def _identity(self) -> Path:
        return self.folder / f"runner{self._suffix}.json"

    def was_started(self) -> bool:
        return self._identity.exists()

    def start(self, command: Sequence[str], workload_id: str, extra: Mapping[str, str]) -> None:
        """Raises Held if a runner of this workload lives, OSError if it cannot be started."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment |= {MARK: workload_id, "PYTHONUNBUFFERED": "1"} | dict(extra)
        with locks.take(self.lock) as lock, self.log.open("ab") as log:
            descriptor = [str(lock.fileno())] if command[1].endswith("launch.py") else []
            self._write_identity()  # before there is a child: our successor must know of it
            try:
                self._child = subprocess.Popen(
                    [*command, *descriptor],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd=self.folder,
                    pass_fds=[lock.fileno()],
                    start_new_session=True,
                )
                locks.name_holder(lock, self._child.pid)
            except OSError:
                self._give_up()
                raise

    def _write_identity(self) -> None:
        draft = self._identity.with_suffix(".new")
        draft.write_text(json.dumps({"started": time.time()}))
        draft.replace(self._identity)

    def _give_up(self) -> None:
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self._identity.unlink(missing_ok=True)

    def adopt(self) -> bool:
        """See to it that the lock names the process here that leads its holders: an earlier shim
        may have died before it wrote that. False if no other process here has the lock open."""
        named = locks.holder(self.lock)
        leader = _leader(self.lock) if named is not None else None
        if leader is not None and leader != named:
            self.lock.write_text(str(leader))
        return leader is not None

    def end_former(self) -> None:
        """The process here of an earlier attempt, which nobody watches any more."""
        if self.adopt():
            self.kill()

    @property
    def pid(self) -> int | None:
        """Of the live process that leads the runner's group."""
        if self._child is not None:
            return self._child.pid if self._child.poll() is None else None
        return locks.holder(self.lock) or None

    def age_s(self) -> float | None:
        """Seconds since it was started, by the clock of the boot; None while nothing lives."""
        pid = self.pid
        if not pid:
            return None
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
            return time.clock_gettime(time.CLOCK_BOOTTIME) - started
        except (OSError, ValueError, IndexError, AttributeError):
            return time.time() - float(json.loads(self._identity.read_text())["started"])

    def is_alive(self) -> bool:
        if self._child is not None and self._child.poll() is None:
            return True
        return locks.holder(self.lock) is not None

    def exit_code(self) -> int | None:
        """None while it lives and where an earlier shim was its parent."""
        return self._child.poll() if self._child is not None else None

    def ask(self, word: str) -> None:
        """ "pause" or "stop", for the runner's control file."""
        if not self.control.exists() or self.control.read_text() != word:
            draft = self.control.with_suffix(".new")
            draft.write_text(word)
            draft.replace(self.control)

    def signal(self, number: int) -> None:
        """To the whole group."""
        pid = self.pid
        if pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, number)

    def kill(self, wait_s: float = 10) -> None:
        deadline = time.monotonic() + wait_s
        while self.is_alive() and time.monotonic() < deadline:
            self.signal(signal.SIGKILL)
            time.sleep(0.05)
