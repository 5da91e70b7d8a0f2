"""Runs without a process: a test writes what a trainer writes, and the shim's own code reads it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.db import connections

from accounts.models import User
from training import lifecycle
from training.models import LogChunk, Status, TrainingJob, Workload
from training.shim.process import Runner
from training.shim.supervision import Supervision
from training.tests.rows import make_job, make_node
from training.tests.test_model_of_lives import Work


class WrittenRun:
    def __init__(self, owner: User) -> None:
        node = make_node()
        self.job: TrainingJob = make_job(owner, Status.PENDING)
        assert lifecycle.grant(self.job, node, list(node.slots.all()))
        self.job.refresh_from_db()
        self.folder = self.job.folder / "attempt-1"
        self.folder.mkdir(parents=True)
        self.change_shim()
        self.tell("started", step=0, max_steps=100_000)
        self.look()

    def change_shim(self) -> None:
        """As when the one before has died: nothing but the rows is left of it."""
        workload = Workload.objects.get(pk=self.job.pk)
        runner = Runner(self.folder)
        self.shim = Supervision(workload, workload.fence, work=Work(), runner=runner)

    def write(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else text
        with (self.folder / "log.txt").open("ab") as log:
            log.write(data)

    def tell(self, kind: str, **event: Any) -> None:
        with (self.folder / "events.jsonl").open("a") as events:
            events.write(json.dumps({"type": kind, "at": time.time(), **event}) + "\n")

    def look(self, *, is_ended: bool = False) -> None:
        self.shim._tick(is_ended=is_ended)

    @property
    def lines(self) -> list[str]:
        """All that is kept, as the database has it."""
        chunks = LogChunk.objects.filter(workload=self.job.pk).order_by("first")
        found: list[str] = []
        for chunk in chunks:
            assert chunk.first == len(found)
            found += chunk.text.split("\n")
            assert chunk.first + chunk.count == len(found)
        return found


BAR, HALF, WHOLE = " 10%|#  | 1/9 [0<1]", " 20%|## | 2/9 [0<1]", "100%|###| 9/9 [0<1]"
# What a piece of a log looks like, and the line of it that stays. Numbers tell them apart.
SHAPES: tuple[Callable[[int], tuple[str, str]], ...] = (
    lambda n: (f"line {n}\n", f"line {n}"),
    lambda n: (f"损失 {n} 🙂\r\n", f"损失 {n} 🙂"),
    lambda n: (f"\x1b[33mWARNING\x1b[0m {n}\n", f"WARNING {n}"),
    lambda n: (f"{BAR}\r{HALF}{{'n': {n}}}\n", f"{{'n': {n}}}"),
    lambda n: (f"Map: {BAR}\rMap {n}: {WHOLE}\n", f"Map {n}: {WHOLE}"),
    lambda n: (f"<img src=x> & {n}\n", f"<img src=x> & {n}"),
    lambda n: (f"Traceback {n}\n", f"Traceback {n}"),
)


def pieces() -> Iterator[tuple[str, str]]:
    """(what is written, the line that stays), without end."""
    for number in count():
        yield SHAPES[number % len(SHAPES)](number)


@contextmanager
def meanwhile(work: Callable[[], None], every_s: float) -> Iterator[None]:
    """Does `work` again and again beside what is done within, and once more at its end."""
    is_over, is_done = threading.Event(), threading.Event()

    def turn() -> None:
        try:
            while not is_over.wait(every_s):
                work()
            work()
            is_done.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
    assert is_done.is_set(), "pytest shows what went wrong in the thread"
