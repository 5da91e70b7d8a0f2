"""What calls have cost, in USD: from their records, and from the price table as a call ends."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from providers.charging import current_tariff, spent, spent_by
from providers.gateway.limits.estimates import Estimate
from providers.gateway.limits.holders import Holder
from providers.gateway.records import Call
from providers.gateway.snapshot import in_database
from providers.prices import in_usd
from providers.types import Usage

ZERO = Decimal(0)


def spent_usd(holder: Holder, since: datetime | None) -> Decimal:
    who = {"key_id": holder.pk} if holder.kind == "key" else {"user_id": holder.pk}
    return in_usd(spent(**who, since=since))


def spent_by_key(key_ids: Sequence[int], since: datetime | None) -> dict[int, Decimal]:
    """In USD, of the keys that have spent anything."""
    found: dict[int, Decimal] = {}
    for (key_id, currency), total in spent_by("api_key_id", key_ids, since).items():
        found[key_id] = found.get(key_id, ZERO) + in_usd({currency: total})
    return found


class Spending(Protocol):
    async def spent(self, holder: Holder, since: Sequence[datetime | None]) -> list[Decimal]:
        """What the records say, in USD, for each beginning in `since`."""
        ...

    async def estimate(self, estimate: Estimate, at: datetime) -> Decimal:
        """What a call may cost, in USD, by the dearest model that may answer it."""
        ...

    async def cost(self, call: Call) -> Decimal:
        """What a call that has just ended costs, in USD; zero where nobody knows."""
        ...


class RecordedSpending:
    """From the ledger, and from the same tariff that fills it."""

    async def spent(self, holder: Holder, since: Sequence[datetime | None]) -> list[Decimal]:
        return await in_database(lambda: [spent_usd(holder, each) for each in since])

    async def estimate(self, estimate: Estimate, at: datetime) -> Decimal:
        costs = [
            await _charged_usd(estimate.usage_of(each), each.model_pk, at)
            for each in estimate.candidates()
        ]
        return max(costs, default=ZERO)

    async def cost(self, call: Call) -> Decimal:
        usage, _is_estimated = call.final_usage()
        if (usage.prompt_tokens, usage.completion_tokens) == (None, None):
            return ZERO
        return await _charged_usd(usage, call.model_pk, call.at)


async def _charged_usd(usage: Usage, model_pk: int | None, at: datetime) -> Decimal:
    """Zero where nobody knows."""
    tariff = current_tariff()
    if model_pk is None or tariff.knows(model_pk, at):
        charge = tariff.charge(usage, model_pk=model_pk, at=at)
    else:
        charge = await in_database(tariff.charge, usage, model_pk=model_pk, at=at)
    return ZERO if charge.cost is None else in_usd({charge.currency: charge.cost})
