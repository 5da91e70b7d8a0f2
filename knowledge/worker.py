"""`python -m knowledge.worker`: reads documents, builds indexes and asks saved questions, one
after the other, until nothing has waited for a while. One a machine."""

import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import django

IDLE_S = 20.0
LOOK_EVERY_S = 0.5
PULSE_S = 10.0


@contextmanager
def only_one() -> Iterator[bool]:
    """Whether this process is the one; another one goes on with what waits."""
    from knowledge.tasks import lock_file

    lock_file().parent.mkdir(parents=True, exist_ok=True)
    with lock_file().open("a") as file:
        yield _locked(file)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Pulse:
    """Says that what is in work here is not dead, also while a file takes its two minutes."""

    def __init__(self) -> None:
        self.beat: Callable[[], object] | None = None
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="pulse")

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        from django.db import DatabaseError, connection

        while not self._is_over.wait(PULSE_S):
            beat = self.beat
            if beat is None:
                continue
            try:
                beat()
            except DatabaseError:  # the next word to the database says it, or it was away
                connection.close()
        connection.close()


def work() -> None:
    """Until nothing has waited for IDLE_S."""
    from knowledge import rounds
    from knowledge.reading import Reader

    idle_since = time.monotonic()
    with Reader() as reader, Pulse() as pulse:
        while time.monotonic() - idle_since < IDLE_S:
            if rounds.step(reader, pulse):
                idle_since = time.monotonic()
            else:
                time.sleep(LOOK_EVERY_S)


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")
    os.environ.setdefault("PLATFORM_PAGES", "0")
    django.setup()
    with only_one() as is_first:
        if is_first:
            work()
    return 0


if __name__ == "__main__":
    sys.exit(main())
