"""One run in several processes of this machine, as torchrun would start them. No packages needed.

`launch.py <spec.json> <processes> <nodes> <node rank> <address> <port> [<descriptor of lock>]`
They stay in this process group and hold its lock, so that whoever watches sees all of them live and
die; torchrun gives each a session of its own, where a kill would miss them. When one fails the
others get a moment to say why, then they are ended. Exit code: the first that was not 0.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

LAST_WORDS_S = 10.0
TERM_GRACE_S = 5.0
POLL_S = 0.1
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """A worker must not outlive a launcher that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def start(
    spec: str, processes: int, nodes: int, node_rank: int, address: str, port: str, lock: int | None
) -> list[subprocess.Popen[bytes]]:
    script = str(Path(__file__).with_name("run.py"))
    shared = {
        "WORLD_SIZE": str(processes * nodes),
        "LOCAL_WORLD_SIZE": str(processes),
        "GROUP_RANK": str(node_rank),
        "MASTER_ADDR": address,
        "MASTER_PORT": port,
    }
    if "OMP_NUM_THREADS" not in os.environ:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        shared["OMP_NUM_THREADS"] = str(max(1, cores // processes))
    workers = []
    for local in range(processes):
        own = {"RANK": str(node_rank * processes + local), "LOCAL_RANK": str(local)}
        workers.append(
            subprocess.Popen(
                [sys.executable, script, spec],
                env=os.environ | shared | own,
                pass_fds=[lock] if lock is not None else [],
                preexec_fn=_die_with_parent,
            )
        )
    return workers


def watch(workers: list[subprocess.Popen[bytes]]) -> int:
    """Until all have ended; the first exit code that was not 0."""
    first = 0
    failed_at: float | None = None
    while True:
        codes = [worker.poll() for worker in workers]
        if failed_at is None and any(codes):
            first = next(code for code in codes if code)
            failed_at = time.monotonic()
        if None not in codes:
            return first
        if failed_at is not None:
            waited = time.monotonic() - failed_at
            if waited > LAST_WORDS_S + TERM_GRACE_S:
                _signal(workers, signal.SIGKILL)
            elif waited > LAST_WORDS_S:
                _signal(workers, signal.SIGTERM)
        time.sleep(POLL_S)


def _signal(workers: list[subprocess.Popen[bytes]], number: int) -> None:
    for worker in workers:
        if worker.poll() is None:
            worker.send_signal(number)


def main(arguments: list[str]) -> int:
    spec, processes, nodes, node_rank, address, port, *lock = arguments
    numbers = int(processes), int(nodes), int(node_rank)
    workers = start(spec, *numbers, address, port, int(lock[0]) if lock else None)
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _frame: _signal(workers, number))
    code = watch(workers)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
