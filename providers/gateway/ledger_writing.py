"""Call records on their way into the ledger, for a thread of their own."""

import logging
from collections.abc import Callable, Sequence
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
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiKey
from providers.charging import current_tariff
from providers.gateway.records import LAST_USED_RESOLUTION_S, Call
from providers.models import CallRecord

logger = logging.getLogger(__name__)

# The database itself, and not what it was given.
AWAY = (OperationalError, InterfaceError)
# What any SQLite takes in one statement.
VALUES_AT_ONCE = 999
Prepare = Callable[[Any], Any]


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


def _preparation(
    field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper
) -> Prepare | None:
    """For a value that each database wants in a form of its own; None for what goes as it is. Past
    the field's own checks: what is written here was made here."""
    if isinstance(field, models.UUIDField):
        return None if connection.features.has_native_uuid_field else lambda value: value.hex
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if isinstance(field, models.JSONField):
        empty = field.get_db_prep_save([], connection)
        return lambda value: field.get_db_prep_save(value, connection) if value else empty
    if isinstance(field, models.DecimalField):
        return lambda value: field.get_db_prep_save(value, connection)
    return None


@cache
def _columns(alias: str) -> list[tuple[str, Prepare | None]]:
    """The names of the values, and what prepares those that are not None."""
    fields = [each for each in CallRecord._meta.concrete_fields if not each.primary_key]
    return [(each.attname, _preparation(each, connections[alias])) for each in fields]


def _mark(alias: str) -> str:
    """What stands for a value."""
    return "?" if connections[alias].vendor == "sqlite" else "%s"


@cache
def _statement(alias: str, rows: int) -> str:
    """The INSERT of that database for so many rows."""
    quoted, mark = connections[alias].ops.quote_name, _mark(alias)
    fields = [each for each in CallRecord._meta.concrete_fields if not each.primary_key]
    columns = ", ".join(quoted(str(each.column)) for each in fields)
    marks = ", ".join([f"({', '.join([mark] * len(fields))})"] * rows)
    return f"INSERT INTO {quoted(CallRecord._meta.db_table)} ({columns}) VALUES {marks}"


def insert_records(rows: Sequence[dict[str, Any]]) -> None:
    """All or none. Without instances of models, which cost more than the database itself. Raises
    DatabaseError."""
    alias = router.db_for_write(CallRecord)
    columns = _columns(alias)
    # SQLite lets go of the interpreter for each statement, and to get it back from a busy event
    # loop costs more than a row: so there are few statements.
    at_once = VALUES_AT_ONCE // len(columns)
    with transaction.atomic(using=alias):
        for start in range(0, len(rows), at_once):
            chunk = rows[start : start + at_once]
            values = [
                row[name] if prepare is None or row[name] is None else prepare(row[name])
                for row in chunk
                for name, prepare in columns
            ]
            _execute(connections[alias], _statement(alias, len(chunk)), values)


def _execute(connection: BaseDatabaseWrapper, statement: str, values: list[Any]) -> None:
    """On SQLite past Django's cursor, which looks for the `%s` of a thousand values each time, and
    the event loop waits for the interpreter meanwhile."""
    if connection.vendor != "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
        return
    with connection.wrap_database_errors:
        connection.connection.execute(statement, values).close()


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
        row.let_go_of_deleted()
        row.save(force_insert=True)
