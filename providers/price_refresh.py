"""Bringing the price table up to date from the installed package: what would change, and changing
it. What a person edited is never superseded."""

from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest as PageRequest
from django.utils import timezone

from accounts.models import User
from accounts.services import audit
from providers.changes import announce_models
from providers.models import ModelPrice
from providers.presets import PRESETS
from providers.price_import import ImportPlan, carry_out, plan_import
from providers.price_package import read_package


class PlanChanged(Exception):
    """The table or the package is not what the preview was made of."""


def plan_refresh() -> ImportPlan:
    """Raises PackageMissing."""
    slugs = [preset.slug for preset in PRESETS]
    return plan_import(read_package(slugs=slugs, day=timezone.localdate()), ModelPrice)


def refresh_prices(
    *, actor: User | None, digest: str = "", request: PageRequest | None = None
) -> ImportPlan:
    """What was changed. `digest`: of the preview that was shown; raises PlanChanged where that is
    no longer what would happen, and PackageMissing."""
    with transaction.atomic():
        plan = plan_refresh()
        if digest and digest != plan.digest:
            raise PlanChanged
        try:
            with transaction.atomic():
                carry_out(plan, ModelPrice)
        except IntegrityError as error:  # somebody else was faster
            raise PlanChanged from error
        after: dict[str, Any] = {
            "source": plan.file.source,
            "added": len(plan.added),
            "changed": len(plan.changed),
        }
        audit(actor=actor, action="price.refresh", after=after, request=request)
    announce_models()
    return plan
