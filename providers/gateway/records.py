"""Call records, collected in memory and written in small batches away from the event loop."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from random import getrandbits
from typing import Any, Protocol

from django.db import Error as DatabaseError

from providers.charging import Tariff, ledger_fields
from providers.gateway.route import Route
from providers.measuring import Measurement
from providers.models import Charged

logger = logging.getLogger(__name__)

SOURCE = "gateway"
CAPACITY = 50_000
BATCH = 400
INTERVAL_S = 0.5
LONGEST_PAUSE_S = 5.0
LAST_USED_RESOLUTION_S = 60.0


def new_call_id() -> uuid.UUID:
    """Ordered by time (version 7), so that the index of the ledger grows at its end. No secret."""
    ms = time.time_ns() // 1_000_000
    return uuid.UUID(int=ms << 80 | 0x7 << 76 | getrandbits(12) << 64 | 0x2 << 62 | getrandbits(62))


@dataclass(kw_only=True, slots=True)
class Call(Measurement):
    """One call while it runs; what is unknown stays None. `call_id` is our own: callers may send
    the same x-request-id again and again."""

    call_id: uuid.UUID = field(default_factory=new_call_id)
    user_id: int
    key_id: int
    kind: str = Charged.CHAT
    model_pk: int | None = None
    provider_label: str = ""
    model_label: str = ""
    status: str = "failed"
    error_code: str = ""
    alias_label: str = ""
    attempts: list[dict[str, object]] = field(default_factory=list)
    at: datetime = field(default_factory=partial(datetime.now, UTC))

    def take(self, route: Route) -> None:
        """This one answers now, unless it fails; what an earlier one said is forgotten."""
        self.model_pk = route.model_pk
        self.name_after(route)
        self.usage, self.first, self.text_tokens, self.finish_reason = None, None, 0.0, ""
        self._uncounted.clear()

    def name_after(self, route: Route) -> None:
        self.model_label, self.provider_label = route.model_id, route.target.provider_name

    def end(self, status: str, error_code: str = "") -> None:
        self.status, self.error_code, self.ended = status, error_code, time.monotonic()
        if self.first is not None and not self.is_counted:
            self._count()
            self.prompt_estimate()
        self._estimate_prompt = None  # it holds the request

    def fields(self, tariff: Tariff) -> dict[str, Any]:
        """Of its CallRecord, for the thread that writes it: the price may have to be read first."""
        usage, is_estimated = self.final_usage()
        charge = tariff.charge(usage, model_pk=self.model_pk, at=self.at)
        return {
            "call_id": self.call_id,
            "at": self.at,
            "user_id": self.user_id,
            "api_key_id": self.key_id,
            "model_id": self.model_pk,
            "provider_label": self.provider_label[:100],
            "model_label": self.model_label[:200],
            "alias_label": self.alias_label[:100],
            "attempts": self.attempts,
            "kind": self.kind,
            "source": SOURCE,
            "status": self.status,
            "error_code": self.error_code[:40],
            "is_estimated": is_estimated,
            "ttft_ms": self.ttft_ms,
            "duration_ms": self.duration_ms,
            **ledger_fields(usage, charge),
        }


Write = Callable[[Sequence[Call], Sequence[int]], Awaitable[None]]


class Keeper(Protocol):
    """Keeps records for a process that is killed: see spool.py."""

    def keep(self, call: Call) -> None: ...

    def settle(self, count: int) -> None:
        """The next `count` that were kept, in their order, need not be kept any longer."""
        ...


class Recorder:
    """Bounded: when the database stays away for long, the oldest go, and the log says how many."""

    def __init__(
        self,
        write: Write,
        *,
        keeper: Keeper | None = None,
        capacity: int = CAPACITY,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._write = write
        self._keeper = keeper
        self._interval_s = interval_s
        self._capacity = capacity
        self._waiting: deque[Call] = deque()
        self._lost = 0
        self._touched: dict[int, float] = {}
        self._used: set[int] = set()
        self._hurry = asyncio.Event()
        self._is_closing = False
        self._task: asyncio.Task[None] | None = None

    def put(self, call: Call) -> None:
        if len(self._waiting) >= self._capacity:
            self._waiting.popleft()
            self._lost += 1
            self._settle(1)
        self._waiting.append(call)
        if self._keeper is not None:
            self._keeper.keep(call)
        if len(self._waiting) >= BATCH:
            self._hurry.set()
        self._start()

    def note_use(self, key_id: int) -> None:
        """For `last_used_at`, once a minute."""
        now = time.monotonic()
        if now - self._touched.get(key_id, float("-inf")) >= LAST_USED_RESOLUTION_S:
            self._touched[key_id] = now
            self._used.add(key_id)
            self._start()

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        pause = self._interval_s
        try:
            while self._waiting or self._used:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hurry.wait(), pause)
                is_written = await self._flush()
                if self._is_closing:
                    return
                pause = self._interval_s if is_written else min(pause * 2, LONGEST_PAUSE_S)
        except asyncio.CancelledError:
            await self._flush()
            raise

    async def _flush(self) -> bool:
        """Whether everything that waited is written."""
        self._hurry.clear()
        while self._waiting or self._used:
            count = min(BATCH, len(self._waiting))
            batch = [self._waiting.popleft() for _each in range(count)]
            used, self._used = self._used, set()
            try:
                await asyncio.shield(self._write(batch, sorted(used)))
            except DatabaseError as error:
                logger.warning("%d call records wait: %s", count, type(error).__name__)
                self._waiting.extendleft(reversed(batch))
                self._used |= used
                return False
            except Exception:
                logger.exception("%d call records cannot be written", count)
                self._lost += count
            self._settle(count)
        self._report_lost()
        return True

    def _settle(self, count: int) -> None:
        if self._keeper is not None:
            self._keeper.settle(count)

    def _report_lost(self) -> None:
        if self._lost:
            logger.error("%d call records are lost", self._lost)
            self._lost = 0

    async def close(self) -> None:
        """Write what waits; say so if that fails."""
        self._is_closing = True
        self._hurry.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._waiting or self._used:
            await self._flush()
        if self._waiting and self._keeper is not None:
            logger.warning("%d call records wait for the next start", len(self._waiting))
        else:
            self._lost += len(self._waiting)
        self._report_lost()
