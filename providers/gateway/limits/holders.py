"""Whose limits a call counts for: its key's and its user's. The stricter of them decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import Any

from django.utils import timezone

from accounts.models import LIMITS, User, UserLimits


class Period(StrEnum):
    DAY = "day"
    MONTH = "month"
    LIFE = "life"

    def began(self, at: datetime) -> datetime | None:
        """Midnight in the platform's time zone; None: it has no beginning."""
        midnight = at.astimezone(timezone.get_default_timezone()).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        if self is Period.LIFE:
            return None
        return midnight if self is Period.DAY else midnight.replace(day=1)

    def ends(self, at: datetime) -> datetime | None:
        began = self.began(at)
        if began is None:
            return None
        if self is Period.DAY:
            return began + timedelta(days=1)
        return (began + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True)
class Holder:
    """A key or a user with at least one limit. None is no limit."""

    kind: str
    pk: int
    rpm: int | None = None
    tpm: int | None = None
    max_parallel: int | None = None
    budget_day_usd: Decimal | None = None
    budget_month_usd: Decimal | None = None
    budget_usd: Decimal | None = None

    @cached_property
    def name(self) -> str:
        return f"{self.kind}:{self.pk}"

    @cached_property
    def budgets(self) -> tuple[tuple[Period, Decimal], ...]:
        found = (
            (Period.DAY, self.budget_day_usd),
            (Period.MONTH, self.budget_month_usd),
            (Period.LIFE, self.budget_usd),
        )
        return tuple((period, usd) for period, usd in found if usd is not None)


def holder_of(kind: str, pk: int, limits: Sequence[Any]) -> Holder | None:
    """`limits` in the order of LIMITS. None where nothing is limited."""
    return Holder(kind, pk, *limits) if any(limit is not None for limit in limits) else None


def holders_of(*found: Holder | None) -> tuple[Holder, ...] | None:
    """None: no limits, so that a call without any costs one comparison."""
    return tuple(holder for holder in found if holder is not None) or None


def user_holder(user: User) -> Holder | None:
    row = UserLimits.objects.filter(user=user).values_list(*LIMITS).first()
    return holder_of("user", user.pk, row) if row is not None else None
