"""Call records that wait for the database wait in a file too: a killed process loses none of them.

Each process has files of its own, one record a line, locked while it lives; as records reach the
database, files are removed from the oldest on, and the last one is emptied. What a process left
behind is written at the next start of any; ids make sure that no record is there twice. What the
operating system has not got is lost, and so is the last moment (INTERVAL_S) before a kill.
"""

import asyncio
import fcntl
import logging
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
from providers.models import CallRecord
from providers.types import Usage

logger = logging.getLogger(__name__)

INTERVAL_S = 0.02
# About as many records as wait in memory at most.
LIMIT_BYTES = 64 * 1024**2
SEGMENT_BYTES = 1024**2
AGAIN_AFTER_S = 5.0


def spool_folder() -> Path:
    return Path(settings.PLATFORM_DATA) / "run" / "calls"


@dataclass
class _Segment:
    """`last`: the number of its last record."""

    path: Path
    file: BinaryIO
    size: int = 0
    last: int = 0


class Spool:
    """Used from one event loop; the files are written in a thread."""

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int = LIMIT_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = folder
        self._limit_bytes, self._segment_bytes = limit_bytes, segment_bytes
        # How many were kept, and how many of these are settled: records are numbered from one.
        self._kept = self._settled = 0
        self._new: list[Call] = []
        self._timer: asyncio.TimerHandle | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="call-spool")
        # The thread's own:
        self._segments: deque[_Segment] = deque()
        self._is_full = False

    def keep(self, call: Call) -> None:
        self._new.append(call)
        self._kept += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._hand_over)

    def settle(self, count: int) -> None:
        """The next `count` that were kept are in the database, or given up."""
        if count:
            self._settled += count
            self._thread.submit(self._drop, self._settled)

    async def close(self) -> None:
        """What is not settled stays for the next start."""
        if self._timer is not None:
            self._timer.cancel()
        self._hand_over()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end)
        self._thread.shutdown(wait=False)

    def _hand_over(self) -> None:
        self._timer, new, self._new = None, self._new, []
        waiting = self._kept - self._settled
        if waiting and new:
            self._thread.submit(self._append, new[-waiting:], self._kept)

    def _append(self, calls: Sequence[Call], last: int) -> None:
        try:
            lines = b"".join(orjson.dumps(call, default=str) + b"\n" for call in calls)
            if sum(each.size for each in self._segments) + len(lines) > self._limit_bytes:
                raise OSError("they are full")
            if not self._segments or self._segments[-1].size > self._segment_bytes:
                self._segments.append(_made(self._folder))
            segment = self._segments[-1]
            _write_all(segment, lines)
            segment.size, segment.last = segment.size + len(lines), last
        except (OSError, TypeError) as error:
            # Once: the records still wait in memory, and the disk may be full for long.
            if not self._is_full:
                logger.warning("call records are not kept in files: %s", error)
            self._is_full = True

    def _drop(self, settled: int) -> None:
        """The last file is emptied and used again."""
        while len(self._segments) > 1 and self._segments[0].last <= settled:
            _remove(self._segments.popleft())
        if len(self._segments) == 1 and 0 < self._segments[0].last <= settled:
            segment = self._segments[0]
            segment.file.truncate(0)
            segment.size = segment.last = 0
        self._is_full = False

    def _end(self) -> None:
        for segment in self._segments:
            if segment.last:
                segment.file.close()
            else:
                _remove(segment)


def _write_all(segment: _Segment, lines: bytes) -> None:
    """All or nothing: the next line must not begin in the middle of another one."""
    rest = memoryview(lines)
    try:
        while rest:
            rest = rest[segment.file.write(rest) :]
    except OSError:
        segment.file.truncate(segment.size)
        raise


def _remove(segment: _Segment) -> None:
    segment.path.unlink(missing_ok=True)
    segment.file.close()


def _made(folder: Path) -> _Segment:
    """Unbuffered, appending. It gets its name once it is locked: then nobody else takes it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.jsonl"
    hidden = path.with_suffix(".new")
    file = open(  # noqa: SIM115  # for as long as the segment lives
        hidden, "ab", buffering=0, opener=lambda name, flags: os.open(name, flags, 0o600)
    )
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    hidden.rename(path)
    return _Segment(path, file)


def _write_missing(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
    """Most may be there already, and one by one takes long."""
    ids = [call.call_id for call in calls]
    there = set(CallRecord.objects.filter(call_id__in=ids).values_list("call_id", flat=True))
    write([call for call in calls if call.call_id not in there], used_keys)


def write_left_behind(folder: Path, write: Callable[..., None] = _write_missing) -> int:
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
        except Exception:
            logger.exception("call records in the spool stay there")
            return
        if count:
            logger.warning("%d call records of a process that was killed are written", count)
        return
