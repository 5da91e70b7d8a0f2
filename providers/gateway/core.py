"""What the requests of one event loop share."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

from django.conf import settings
from django.db import Error as DatabaseError

from providers.gateway.authentication import Caller, Keyring, invalid_key, read_token
from providers.gateway.clock import SlowClock
from providers.gateway.exchange import Exchange
from providers.gateway.health import Circuit, Health
from providers.gateway.health_rows import save
from providers.gateway.ledger_writing import write
from providers.gateway.limits import Limiter
from providers.gateway.limits.estimates import NOTHING, Estimate
from providers.gateway.records import Call, Recorder
from providers.gateway.routing import directory_snapshot
from providers.gateway.running import RunningCalls
from providers.gateway.snapshot import DatabaseThread, in_database
from providers.gateway.spool import Spool, spool_folder
from providers.gateway.upstream import Upstream

logger = logging.getLogger(__name__)
_UNLIMITED = nullcontext()
# Longer than snapshots are used for, so that the connection stays while calls come.
READER_IDLE_S = 10.0
WRITER_IDLE_S = 1.0


class Core:
    """Lives until it is closed or its event loop ends, which cancels every task."""

    def __init__(self, limiter: Limiter | None = None) -> None:
        self.allowed_hosts = tuple(settings.ALLOWED_HOSTS)
        self.body_limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        self._reader = DatabaseThread("gateway-reads", idle_s=READER_IDLE_S)
        self.keyring = Keyring(self._reader)
        self.health = Health(changed=self._save_health)
        self.directory = directory_snapshot(self.health, self._reader)
        self.limiter = limiter or Limiter.configured()
        self._writer = DatabaseThread("call-records", idle_s=WRITER_IDLE_S)
        self._spool = Spool(spool_folder())
        self.recorder = Recorder(self._write, keeper=self._spool)
        self.clock = SlowClock()
        self.running = RunningCalls(self.keyring, self.clock)
        self.upstream = Upstream(self.clock)
        self._saving: set[asyncio.Task[None]] = set()
        self._life = asyncio.create_task(self._live())

    async def authenticate(self, exchange: Exchange) -> Caller:
        """Raises GatewayError (401)."""
        token = read_token(exchange)
        caller = self.keyring.known(token) or await self.keyring.caller(token)
        if caller is None:
            raise invalid_key("The key is wrong, expired or revoked.")
        self.recorder.note_use(caller.key_id)
        return caller

    def admitted(
        self,
        exchange: Exchange,
        caller: Caller,
        call: Call | None = None,
        estimate: Estimate = NOTHING,
    ) -> AbstractAsyncContextManager[None]:
        """`async with` around a call: counts it for the limits of its key and its user.

        Raises GatewayError (429). When it ends, however it ends, its place is free again, and what
        `call` really used is counted instead of the estimate. Without a `call` it is a request
        only, which costs nothing.
        """
        if caller.holders is None:
            return _UNLIMITED
        return self.limiter.admission(exchange, caller.holders, call, estimate)

    async def _write(self, calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        await self._writer(write, calls, used_keys)

    def _save_health(self, model_pk: int) -> None:
        """Away from the call that found it out."""
        circuit = replace(self.health.of(model_pk))
        wait_s = self.health.wait_s(model_pk)
        task = asyncio.create_task(self._write_health(model_pk, circuit, wait_s))
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    async def _write_health(self, model_pk: int, circuit: Circuit, wait_s: float) -> None:
        try:
            await in_database(save, model_pk, circuit, wait_s)
        except DatabaseError as error:
            logger.warning("the health of a model is not saved: %s", type(error).__name__)

    async def _live(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self.limiter.close()
            await self.recorder.close()
            await self._spool.close()
            await self._writer.close()
            await self._reader.close()
            await self.upstream.close()

    async def close(self) -> None:
        """Call records that wait are written, connections closed."""
        self._life.cancel()
        await asyncio.gather(self._life, return_exceptions=True)
