"""The child process, as its parent has it: asked, waited for, replaced."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from knowledge.reading.types import Unreadable

ROOT = Path(__file__).resolve().parents[2]
WALL_S = 120.0
CPU_S = 60
# One that keeps more after a document than this is replaced.
KEPT_BYTES = 256 * 1024**2
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
ANSWER_BYTES = 64 * 1024**2
# Libraries that get no memory abort; the system kills what takes too much of it.
DEATHS: dict[int, str] = {
    signal.SIGXCPU: "timeout",
    signal.SIGKILL: "memory",
    signal.SIGABRT: "memory",
    signal.SIGXFSZ: "too_large",
}


class Child:
    """Started when it is first asked. For one thread at a time."""

    def __init__(self, wall_s: float = WALL_S, cpu_s: int = CPU_S) -> None:
        self._wall_s = wall_s
        self._cpu_s = cpu_s
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, order: dict[str, Any]) -> Any:
        """Raises Unreadable, or OSError where the disk is at fault."""
        process = self._process = self._process or _started(self._cpu_s)
        try:
            answer = self._answer(process, json.dumps(order).encode() + b"\n")
        except BaseException:
            self.stop()
            raise
        if "done" not in answer or _is_grown(process):
            self.stop()
        if "errno" in answer:
            raise OSError(answer["errno"], answer["why"])
        if "code" in answer:
            raise Unreadable(answer["code"], answer["params"])
        return answer["done"]

    def _answer(self, process: subprocess.Popen[bytes], order: bytes) -> dict[str, Any]:
        line = b""
        until = time.monotonic() + self._wall_s
        try:
            assert process.stdin and process.stdout
            process.stdin.write(order)
            process.stdin.flush()
            while not line.endswith(b"\n"):
                line += _more(process, until)
                if len(line) > ANSWER_BYTES:
                    raise Unreadable("broken")
        except BrokenPipeError:
            raise Unreadable(_death(process)) from None
        answer: dict[str, Any] = json.loads(line)
        return answer

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                _close(pipe)


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # what it had not taken yet
        return


def _started(cpu_s: int) -> subprocess.Popen[bytes]:
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-s", "-m", "knowledge.reading.child", str(cpu_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
        env={**kept, "LANG": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"},
        start_new_session=True,
    )


def _more(process: subprocess.Popen[bytes], until: float) -> bytes:
    assert process.stdout
    ready, _w, _x = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
    if not ready:
        raise Unreadable("timeout")
    read = os.read(process.stdout.fileno(), 1024**2)
    if not read:
        raise Unreadable(_death(process))
    return read


def _death(process: subprocess.Popen[bytes]) -> str:
    """Why it died, as a code."""
    return DEATHS.get(-process.wait(), "broken")


def _is_grown(process: subprocess.Popen[bytes]) -> bool:
    try:
        return bool(psutil.Process(process.pid).memory_info().rss > KEPT_BYTES)
    except psutil.Error:
        return True
