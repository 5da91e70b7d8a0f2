"""Call records on their way into the ledger, in a thread of their own."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import Any

from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connections,
    models,
    router,
    transaction,
)
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from providers.charging import current_tariff
from providers.gateway.records import LAST_USED_RESOLUTION_S, Call
from providers.models import CallRecord

logger = logging.getLogger(__name__)

# The database itself, and not what it was given.
AWAY = (OperationalError, InterfaceError)
# A connection that was not used for so long is given back.
IDLE_S = 1.0
# Values that each database wants in a form of its own; all others go as they are.
_PREPARED = (models.UUIDField, models.DateTimeField, models.DecimalField, models.JSONField)


class WriterThread:
    """Writes batch after batch on one connection: a new one costs as much as fifty records."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="call-records")
        self._idle: asyncio.TimerHandle | None = None

    async def __call__(self, calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        """Raises DatabaseError."""
        loop = asyncio.get_running_loop()
        if self._idle is not None:
            self._idle.cancel()
        try:
            await loop.run_in_executor(self._executor, _written, calls, used_keys)
        finally:
            self._idle = loop.call_later(IDLE_S, self._executor.submit, connections.close_all)

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, connections.close_all)
        self._executor.shutdown(wait=False)


def _written(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
    try:
        write(calls, used_keys)
    except BaseException:
        with contextlib.suppress(Exception):
            connections.close_all()  # it may be broken
        raise


def write(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
    """Raises DatabaseError when the database cannot take them now.

    A batch that is written again, because the answer to the first time was lost, adds nothing. One
    record that no database takes leaves the others alone.
    """
    tariff = current_tariff()
    try:
        insert_records([call.fields(tariff) for call in calls])
    except AWAY:
        raise
    except Exception:  # noqa: BLE001  # it is looked for, and named below
        for call in calls:
            try:
                _write_one(CallRecord(**call.fields(tariff)))
            except AWAY:
                raise
            except Exception:
                logger.exception("the record of call %s cannot be written", call.call_id)
    if used_keys:
        now = timezone.now()
        old = now - timedelta(seconds=LAST_USED_RESOLUTION_S)
        stale = Q(last_used_at=None) | Q(last_used_at__lt=old)
        ApiKey.objects.filter(stale, pk__in=used_keys).update(last_used_at=now)


@cache
def _statement(alias: str) -> tuple[str, list[tuple[str, "models.Field[Any, Any] | None"]]]:
    """The INSERT of that database, and its values: their names, and who prepares them."""
    quoted = connections[alias].ops.quote_name
    fields = [each for each in CallRecord._meta.concrete_fields if not each.primary_key]
    columns = ", ".join(quoted(str(each.column)) for each in fields)
    marks = ", ".join(["%s"] * len(fields))
    sql = f"INSERT INTO {quoted(CallRecord._meta.db_table)} ({columns}) VALUES ({marks})"
    return sql, [(e.attname, e if isinstance(e, _PREPARED) else None) for e in fields]


def insert_records(rows: Sequence[dict[str, Any]]) -> None:
    """All or none. Without instances of models, which cost more than the database itself. Raises
    DatabaseError."""
    alias = router.db_for_write(CallRecord)
    connection = connections[alias]
    sql, columns = _statement(alias)
    values = [
        [
            row[name] if field is None else field.get_db_prep_save(row[name], connection)
            for name, field in columns
        ]
        for row in rows
    ]
    with transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.executemany(sql, values)


def _write_one(row: CallRecord) -> None:
    """It may be there already; what it points at may have been deleted: the labels still tell."""
    if CallRecord.objects.filter(call_id=row.call_id).exists():
        return
    row.pk = None
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        row.pk = None
        _let_go_of_deleted(row)
        row.save(force_insert=True)


def _let_go_of_deleted(row: CallRecord) -> None:
    for name in ("user", "api_key", "model", "price"):
        field = CallRecord._meta.get_field(name)
        pk = getattr(row, f"{name}_id")
        related: Any = field.related_model
        if pk is not None and not related._base_manager.filter(pk=pk).exists():
            setattr(row, f"{name}_id", None)
