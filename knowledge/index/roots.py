"""The folder of all spaces belongs to one process: the engine keeps what it knows in memory. Who
comes second (another web process of this machine) takes `<root>-2` and fills that."""

import fcntl
import os
from pathlib import Path
from threading import Lock

from .types import IndexUnavailable

MOST_PROCESSES = 64


class Root:
    """Taken when it is first asked for; the kernel gives it back when the process ends."""

    def __init__(self, preferred: Path) -> None:
        self._preferred = preferred
        self._folder: Path | None = None
        self._lock_file = -1
        self._taking = Lock()

    @property
    def folder(self) -> Path:
        with self._taking:
            if self._folder is None:
                try:
                    self._folder = self._take()
                except OSError as error:
                    raise IndexUnavailable(f"The index has no folder: {error}") from error
            return self._folder

    def release(self) -> None:
        with self._taking:
            if self._folder is not None:
                os.close(self._lock_file)
                self._folder = None

    def _take(self) -> Path:
        for number in range(1, MOST_PROCESSES + 1):
            name = self._preferred.name + (f"-{number}" if number > 1 else "")
            folder = self._preferred.with_name(name)
            folder.mkdir(parents=True, exist_ok=True)
            lock_file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock_file)
                continue
            self._lock_file = lock_file
            return folder
        raise IndexUnavailable(f"{MOST_PROCESSES} processes have folders beside {self._preferred}.")
