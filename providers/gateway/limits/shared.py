"""The counts of all processes, in Redis; this process counts by itself while Redis is away.

A call's place among `max_parallel` and what is reserved of budgets for it are a lease: a process
that dies holds it for a minute at most, one that lives renews it.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from providers.gateway.limits import scripts
from providers.gateway.limits.counting import Counted, Demand, Reason, Refused, Settlement, Use
from providers.gateway.limits.memory import MemoryStore

logger = logging.getLogger(__name__)

PREFIX = "llmplatform:limits:"
LEASE_S = 60
ANSWER_WITHIN_S = 1.0
# After a failure this process counts by itself for so long before it asks again.
PAUSE_S = 5.0
BATCH = 200
AWAY = (RedisError, OSError, asyncio.TimeoutError)


class Batches:
    """Runs requests in Redis. Those that come while others are under way leave together, in one
    round trip and one command: with many calls at once each costs a part of one."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=Retry(NoBackoff(), 1),
        )
        self._script = self._redis.register_script(scripts.COUNT)
        self._waiting: list[tuple[bytes, asyncio.Future[bytes]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def run(self, request: dict[str, Any]) -> Any:
        """Raises RedisError or OSError."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append((orjson.dumps(request), answer))
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())
        return orjson.loads(await answer)

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                answers = await self._script(args=[request for request, _answer in batch])
            except BaseException as error:
                self._fail([answer for _request, answer in batch], error)
                if not isinstance(error, Exception):
                    raise
                continue
            for (_request, answer), text in zip(batch, answers, strict=True):
                if not answer.done():
                    answer.set_result(text)

    @staticmethod
    def _fail(answers: Sequence[asyncio.Future[bytes]], error: BaseException) -> None:
        for answer in answers:
            if answer.done():
                continue
            if isinstance(error, Exception):
                answer.set_exception(error)
            else:
                answer.cancel()

    async def close(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        self._fail([answer for _request, answer in self._waiting], asyncio.CancelledError())
        await self._redis.aclose()


class RedisStore:
    """Raises RedisError or OSError where Redis does not answer. `clock`: for tests, else Redis'."""

    is_local = False

    def __init__(
        self, url: str, clock: Callable[[], float] | None = None, *, prefix: str = PREFIX
    ) -> None:
        self._batches = Batches(url)
        self._clock = clock
        self._prefix = prefix
        self._leases: dict[str, list[str]] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def _run(self, op: str, **request: Any) -> Any:
        request |= {"op": op, "prefix": self._prefix}
        if self._clock is not None:
            request["now"] = self._clock()
        return await self._batches.run(request)

    async def admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        rows = [_row(demand) for demand in demands]
        answer = await self._run("admit", lease=lease, lease_s=LEASE_S, demands=rows)
        counted = Counted(
            tuple(Use(*use) for use in answer["uses"]),
            int(answer["second"]),
            _refused(answer["refused"]) if "refused" in answer else None,
        )
        held = [demand.name for demand in demands if demand.holds_place]
        if held and counted.refused is None:
            self._leases[lease] = held
            if self._renewing is None or self._renewing.done():
                self._renewing = asyncio.create_task(self._keep())
        return counted

    async def settle(self, lease: str, settlements: Sequence[Settlement]) -> None:
        self._leases.pop(lease, None)
        rows = [
            {
                "name": each.demand.name,
                "second": each.second,
                "tokens": each.tokens if each.demand.tpm is not None else 0,
                "budgets": [budget.name for budget in each.demand.budgets],
                "cost": str(each.cost),
            }
            for each in settlements
        ]
        await self._run("settle", lease=lease, settlements=rows)

    async def _keep(self) -> None:
        """As long as anything is held."""
        while self._leases:
            await asyncio.sleep(LEASE_S / 3)
            await self.renew()

    async def renew(self) -> None:
        """The calls that run here keep their places; a failure waits for the next time."""
        leases = [(name, lease) for lease, names in self._leases.items() for name in names]
        if leases:
            with contextlib.suppress(*AWAY):
                await self._run("renew", lease_s=LEASE_S, leases=leases)

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        await self._batches.close()


def _row(demand: Demand) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": demand.name,
        "tokens": demand.tokens,
        "holds_place": demand.holds_place,
        "cost": str(demand.cost if demand.budgets else 0),
        "budgets": [
            {
                "name": each.name,
                "limit": str(each.limit),
                "known": str(each.known),
                "keep_s": each.keep_s,
            }
            for each in demand.budgets
        ],
    }
    limits = {"rpm": demand.rpm, "tpm": demand.tpm, "max_parallel": demand.max_parallel}
    return row | {name: limit for name, limit in limits.items() if limit is not None}


def _refused(row: Sequence[Any]) -> Refused:
    holder, reason, wait_s, budget, spent, reserved = row
    amounts = int(budget), int(spent), int(reserved)
    return Refused(int(holder), Reason(reason), int(wait_s), *amounts)


class SharedStore:
    """Redis, or memory while it is away. A call is settled where it was admitted."""

    is_local = False

    def __init__(
        self,
        redis: RedisStore,
        memory: MemoryStore | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = redis
        self._memory = memory or MemoryStore()
        self._clock = clock
        self._is_away = False
        self._ask_again_at = float("-inf")
        self._here: set[str] = set()

    async def admit(self, lease: str, demands: Sequence[Demand]) -> Counted:
        if self._clock() >= self._ask_again_at:
            try:
                counted = await self._redis.admit(lease, demands)
            except AWAY as error:
                self._went(error)
            else:
                self._came_back()
                return counted
        counted = await self._memory.admit(lease, demands)
        if counted.refused is None:
            self._here.add(lease)
        return counted

    async def settle(self, lease: str, settlements: Sequence[Settlement]) -> None:
        if lease in self._here:
            self._here.discard(lease)
            await self._memory.settle(lease, settlements)
            return
        try:
            await self._redis.settle(lease, settlements)
        except AWAY as error:
            self._went(error)

    def _went(self, error: BaseException) -> None:
        """Once an outage in the log, not once a call. The address stays out: it has a password."""
        self._ask_again_at = self._clock() + PAUSE_S
        if not self._is_away:
            self._is_away = True
            logger.warning(
                "Redis is away (%s): limits are counted in each process by itself",
                type(error).__name__,
            )

    def _came_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("Redis is back: limits are counted across processes")

    async def close(self) -> None:
        await self._redis.close()
