"""What calls have cost, in USD: from their records, and from the price table as a call ends."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from django.conf import settings
from django.db.models import Sum

from providers.gateway.limits.holders import Holder
from providers.gateway.records import Call
from providers.gateway.snapshot import in_database
from providers.models import CallRecord, ProviderModel
from providers.prices import cost_of, price_of_model
from providers.rates import Price

ZERO = Decimal(0)
PRICES_KEPT = 1000
PRICE_USABLE_FOR_S = 60.0


def in_usd(sums: Mapping[str, Decimal]) -> Decimal:
    """Sums by currency as one. A currency that is neither USD nor CNY has no known rate."""
    yuan = sums.get("CNY", ZERO)
    return sums.get("USD", ZERO) + (yuan / settings.CNY_PER_USD if yuan else ZERO)


def has_costs() -> bool:
    return {"cost", "currency"} <= {field.name for field in CallRecord._meta.get_fields()}


def _costs(since: datetime | None) -> Any:
    """Records with a cost. Typed loosely: their currency and cost may not be there."""
    rows: Any = CallRecord.objects.order_by()
    rows = rows.filter(cost__isnull=False)
    return rows if since is None else rows.filter(at__gte=since)


def spent(
    *, user_id: int | None = None, key_id: int | None = None, since: datetime | None
) -> dict[str, Decimal]:
    """Recorded costs by currency, of calls that began at `since` or later; None: of all."""
    if not has_costs():
        return {}
    rows = _costs(since)
    if user_id is not None:
        rows = rows.filter(user_id=user_id)
    if key_id is not None:
        rows = rows.filter(api_key_id=key_id)
    sums = rows.values("currency").annotate(total=Sum("cost"))
    return {row["currency"]: row["total"] or ZERO for row in sums}


def spent_usd(holder: Holder, since: datetime | None) -> Decimal:
    who = {"key_id": holder.pk} if holder.kind == "key" else {"user_id": holder.pk}
    return in_usd(spent(**who, since=since))


def spent_by_key(key_ids: Sequence[int], since: datetime | None) -> dict[int, Decimal] | None:
    """In USD, of the keys that have spent anything; None where records hold no costs."""
    if not has_costs():
        return None
    rows = _costs(since).filter(api_key_id__in=key_ids)
    sums = rows.values("api_key_id", "currency").annotate(total=Sum("cost"))
    found: dict[int, Decimal] = {}
    for row in sums:
        usd = in_usd({row["currency"]: row["total"]})
        found[row["api_key_id"]] = found.get(row["api_key_id"], ZERO) + usd
    return found


class Spending(Protocol):
    async def spent(self, holder: Holder, since: Sequence[datetime | None]) -> list[Decimal]:
        """What the records say, in USD, for each beginning in `since`."""
        ...

    async def cost(self, call: Call) -> Decimal:
        """What a call that has just ended costs, in USD; zero where nobody knows."""
        ...


@dataclass(frozen=True)
class _Known:
    price: Price | None
    read_at: float


class RecordedSpending:
    """From the database; prices are read once a minute."""

    def __init__(self) -> None:
        self._prices: dict[int, _Known] = {}

    async def spent(self, holder: Holder, since: Sequence[datetime | None]) -> list[Decimal]:
        return await in_database(lambda: [spent_usd(holder, each) for each in since])

    async def cost(self, call: Call) -> Decimal:
        usage, _is_estimated = call.final_usage()
        if call.model_pk is None or (usage.prompt_tokens, usage.completion_tokens) == (None, None):
            return ZERO
        price = await self._price(call.model_pk, call.at)
        amount = None if price is None else cost_of(price, usage)
        return ZERO if price is None or amount is None else in_usd({price.currency: amount})

    async def _price(self, model_pk: int, at: datetime) -> Price | None:
        known, now = self._prices.get(model_pk), time.monotonic()
        if known is None or now - known.read_at > PRICE_USABLE_FOR_S:
            if len(self._prices) >= PRICES_KEPT:
                self._prices.clear()
            known = _Known(await in_database(_read_price, model_pk, at), now)
            self._prices[model_pk] = known
        return known.price


def _read_price(model_pk: int, at: datetime) -> Price | None:
    model = ProviderModel.objects.select_related("provider").filter(pk=model_pk).first()
    return None if model is None else price_of_model(model, at)
