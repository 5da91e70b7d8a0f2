"""`python -m knowledge.worker`: reads documents, builds indexes and asks saved questions, one
after the other, until nothing has waited for a while. One a machine: whoever starts it (tasks.py)
hands it a lock. More of them do no harm, since rows are claimed."""

import os
import sys
import threading
import time
from collections.abc import Callable

import django

IDLE_S = 20.0
LOOK_EVERY_S = 0.5
PULSE_S = 10.0


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
    work()
    return 0


if __name__ == "__main__":
    sys.exit(main())
