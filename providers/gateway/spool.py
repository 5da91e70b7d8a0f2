"""Call records that wait for the database wait in a file too: a killed process loses none of them.

Each process has a file of its own, one record a line, locked while it lives. Once everything is in
the database the file is emptied. What a process left behind is written at the next start of any;
ids make sure that no record is there twice. What the operating system has not got is lost, and so
is the last moment (INTERVAL_S) before a kill.
"""

import asyncio
import fcntl
import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from django.conf import settings
from django.db import Error as DatabaseError

from providers.gateway.ledger_writing import write
from providers.gateway.records import BATCH, Call
from providers.gateway.snapshot import in_database
from providers.types import Usage

logger = logging.getLogger(__name__)

INTERVAL_S = 0.02
# About as many records as wait in memory at most.
LIMIT_BYTES = 64 * 1024**2
AGAIN_AFTER_S = 5.0


def spool_folder() -> Path:
    return Path(settings.PLATFORM_DATA) / "run" / "calls"


class Spool:
    """Used from one event loop; the file is written in a thread."""

    def __init__(self, folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = folder / f"{uuid.uuid4().hex}.jsonl"
        self._limit_bytes = limit_bytes
        self._new: list[Call] = []
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-spool")
        self._is_settled = True
        # The thread's own:
        self._file: BinaryIO | None = None
        self._size = 0
        self._is_full = False

    def keep(self, call: Call) -> None:
        self._new.append(call)
        self._is_settled = False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._hand_over)

    def settle(self) -> None:
        """Everything that was kept is in the database."""
        if not self._is_settled:
            self._is_settled = True
            self._new = []
            self._thread.submit(self._empty)

    async def close(self) -> None:
        """What is not settled stays for the next start."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end, self._is_settled)
        self._thread.shutdown(wait=False)

    def _hand_over(self) -> None:
        self._timer, new, self._new = None, self._new, []
        if new:
            self._thread.submit(self._append, new)

    def _append(self, calls: Sequence[Call]) -> None:
        try:
            lines = b"".join(orjson.dumps(call, default=str) + b"\n" for call in calls)
            if self._size + len(lines) > self._limit_bytes:
                raise OSError("it is full")
            if self._file is None:
                self._file = _made(self._path)
            self._file.write(lines)
            self._size += len(lines)
        except OSError as error:
            # Once: the records still wait in memory, and the disk may be full for long.
            if not self._is_full:
                logger.warning("call records are not kept in a file: %s", error)
            self._is_full = True

    def _empty(self) -> None:
        if self._file is not None:
            self._file.truncate(0)
        self._size, self._is_full = 0, False

    def _end(self, is_settled: bool) -> None:
        if self._file is not None:
            if is_settled:
                self._path.unlink(missing_ok=True)
            self._file.close()


def _made(path: Path) -> BinaryIO:
    """Unbuffered, appending. It gets its name once it is locked: then nobody else takes it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hidden = path.with_suffix(".new")
    file = open(  # noqa: SIM115  # as long as the process lives
        hidden, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600)
    )
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    hidden.rename(path)
    return file


def write_left_behind(folder: Path, write: Callable[..., None] = write) -> int:
    """Records of processes that are gone go into the database; how many. Raises DatabaseError, and
    keeps the file then."""
    count = 0
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("r+b") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its process lives
            calls = list(_read(file))
            for start in range(0, len(calls), BATCH):
                write(calls[start : start + BATCH], [])
            path.unlink(missing_ok=True)
            count += len(calls)
    return count


def _read(file: BinaryIO) -> Iterator[Call]:
    for line in file:
        try:
            yield _restored(orjson.loads(line))
        except (ValueError, TypeError, KeyError, ArithmeticError):
            logger.warning("a call record in the spool is cut or of another version")


def _restored(fields: dict[str, Any]) -> Call:
    """Times of the other process's clock stay: only what lies between them counts."""
    usage = fields.pop("usage")
    if usage is not None:
        cost = usage.pop("cost")
        usage = Usage(**usage, cost=None if cost is None else Decimal(cost))
    call_id, at = uuid.UUID(fields.pop("call_id")), datetime.fromisoformat(fields.pop("at"))
    return Call(**fields, usage=usage, call_id=call_id, at=at)


async def replay() -> None:
    """At the start of a process; tries again while the database is away."""
    while True:
        try:
            count = await in_database(write_left_behind, spool_folder())
        except DatabaseError as error:
            logger.warning("call records in the spool wait: %s", type(error).__name__)
            await asyncio.sleep(AGAIN_AFTER_S)
            continue
        if count:
            logger.warning("%d call records of a process that was killed are written", count)
        return
