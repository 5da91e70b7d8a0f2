"""A copy of a space's files, made for reading and without what was removed: half the memory, and
filters in a third of the time. `python compaction.py FOLDER` is a program of its own, because the
engine keeps Python from doing anything else meanwhile: some ten seconds for 100,000 chunks.
"""

import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from threading import Lock, Thread

import qdrant_edge as edge

log = logging.getLogger(__name__)

# Others come first.
NICENESS = 10
PR_SET_PDEATHSIG = 1
# Points put or removed while a copy is made, which it gets afterwards; with more it is given up.
MOST_MISSED = 50_000


class Compaction:
    """Begins with files that nobody writes to until `__init__` has returned."""

    def __init__(self, files: Path, copy: Path) -> None:
        self.files = copy
        # The copy, open, once there is one.
        self.result: edge.EdgeShard | None = None
        self._missed: list[edge.UpdateOperation] = []
        self._missed_count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = Lock()
        self._is_abandoned = False
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(files, copy)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return not self._thread.is_alive()

    @property
    def is_usable(self) -> bool:
        return self.result is not None and self._missed_count <= MOST_MISSED

    def miss(self, operation: edge.UpdateOperation, count: int) -> None:
        self._missed_count += count
        if self._missed_count <= MOST_MISSED:
            self._missed.append(operation)
        else:
            self._missed.clear()

    def catch_up(self) -> bool:
        """Whether the copy has all changes now."""
        if self.result is None:
            return False
        try:
            for operation in self._missed:
                self.result.update(operation)
            self.result.flush()
        except Exception:
            log.exception("%s cannot be changed after its compaction", self.files)
            return False
        return True

    def wait(self) -> None:
        self._thread.join()

    def abandon(self) -> None:
        with self._starting:
            self._is_abandoned = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()
        if self.result is not None:
            self.result.close()
        shutil.rmtree(self.files, ignore_errors=True)

    def _run(self) -> None:
        with self._starting:
            if self._is_abandoned:
                return
            # -P: the modules beside this one would hide those of Python with the same names.
            command = [sys.executable, "-P", __file__, str(self.files)]
            self._process = subprocess.Popen(command)
        if self._process.wait() == 0:
            try:
                warm(self.files)
                self.result = edge.EdgeShard.load(str(self.files))
            except Exception:
                log.exception("%s cannot be opened after its compaction", self.files)
        elif not self._is_abandoned:
            log.error("%s could not be compacted", self.files)


def warm(files: Path) -> None:
    """Read in order, files are in memory a hundred times sooner than page by page, as the engine
    reads what it loads, keeping Python waiting."""
    buffer = bytearray(1 << 20)
    for path in files.rglob("*"):
        if path.is_file() and path.stat().st_blocks:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass


def compact(folder: str) -> None:
    _end_with_parent()
    os.nice(NICENESS)
    opened = edge.EdgeShard.load(folder)
    opened.optimize()
    opened.flush()
    opened.close()


def _end_with_parent() -> None:
    """Who was killed cannot stop it, and who comes next removes its folder. The signal comes when
    the thread ends that waits for this program. Linux only; elsewhere it ends when it is done."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    compact(sys.argv[1])
