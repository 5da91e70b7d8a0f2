"""What the run was asked to do: a word in a control file, or a signal. Standard library only.

A signal comes from whoever ends processes, such as a machine that shuts down: nobody decided that
the run shall end for good, so it saves and leaves.

Installed before the heavy imports: a signal that arrives while they load is remembered, where
Python's default would end the process without a word. While data and model are prepared, which can
take minutes, a request interrupts at once; in training it waits for the end of the step.
"""

import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType

PAUSE, STOP = "pause", "stop"
POLL_EVERY_S = 0.5


class Interrupted(BaseException):
    """Asked to leave before training began; a BaseException so that no library swallows it."""


class Control:
    """`asked()` is None, "pause" or "stop"; what the file says counts before a signal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._by_file: str | None = None
        self._is_signalled = False
        self._is_preparing = False

    def listen(self) -> None:
        numbers = (signal.SIGUSR1, signal.SIGTERM)
        for number in numbers:
            signal.signal(number, self._on_signal)
        # Forked loaders of data must die of SIGTERM: pools end their processes with it.
        os.register_at_fork(after_in_child=lambda: _forget(*numbers))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._is_signalled = True
        if self._is_preparing:
            self._is_preparing = False
            raise Interrupted

    def prepare(self) -> None:
        """From here until `begin()` a request raises Interrupted in the main thread."""
        self._is_preparing = True
        threading.Thread(target=self._watch, daemon=True, name="control").start()
        if self.asked():
            self._is_preparing = False
            raise Interrupted

    def begin(self) -> None:
        """Training begins: the end of each step asks."""
        self._is_preparing = False

    def _watch(self) -> None:
        while self._is_preparing:
            if self._read_file() is not None:
                os.kill(os.getpid(), signal.SIGUSR1)
                return
            time.sleep(POLL_EVERY_S)

    def asked(self) -> str | None:
        """Costs one stat; the file is read when it changed."""
        return self._read_file() or (PAUSE if self._is_signalled else None)

    def asked_by_file(self) -> str | None:
        return self._read_file()

    def _read_file(self) -> str | None:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                word = self._path.read_text().strip()
                self._seen, self._by_file = seen, word if word in (PAUSE, STOP) else None
        except FileNotFoundError:
            self._seen = self._by_file = None
        return self._by_file


def _forget(*numbers: int) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)
