"""What a call cost, and its row in the ledger."""

import uuid
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import ApiKey, User
from providers.charging import Charge, current_tariff, ledger_fields
from providers.measuring import Measurement
from providers.models import CallRecord, Charged
from providers.types import Target


def charge_of(*, target: Target, measured: Measurement, at: datetime) -> Charge:
    """What the call that ended at `at` costs."""
    usage, _is_estimated = measured.final_usage()
    return current_tariff().charge(usage, model_pk=target.model_pk, at=at)


def record_call(
    *,
    target: Target,
    user: User | None,
    source: str,
    status: str,
    measured: Measurement,
    kind: str = Charged.CHAT,
    error_code: str = "",
    api_key: ApiKey | None = None,
    duration_ms: int | None = None,
    call_id: uuid.UUID | None = None,
    at: datetime | None = None,
    charge: Charge | None = None,
) -> CallRecord:
    """A row of the ledger. `duration_ms`: where it is written later than the call ended.

    `call_id`: a second row with the same one is not written, the first is returned. `charge`: where
    it is known already.
    """
    usage, is_estimated = measured.final_usage()
    at = at or timezone.now()
    charge = charge or charge_of(target=target, measured=measured, at=at)
    row = CallRecord(
        call_id=call_id or uuid.uuid4(),
        at=at,
        kind=kind,
        user=user,
        api_key=api_key,
        model_id=target.model_pk,
        provider_label=target.provider_name[:100],
        model_label=target.model_id[:200],
        source=source,
        status=status,
        error_code=error_code,
        is_estimated=is_estimated,
        ttft_ms=measured.ttft_ms,
        duration_ms=measured.duration_ms if duration_ms is None else duration_ms,
        **ledger_fields(usage, charge),
    )
    # What is deleted while it answers has cost nevertheless.
    row.let_go_of_deleted()
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        known = CallRecord.objects.filter(call_id=row.call_id).first()
        if known is None:
            raise
        return known
    return row
