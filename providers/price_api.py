"""API: `prices/refresh`, for administrators."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router

from accounts.access import current_user
from llmplatform.errors import ApiError
from providers.models import ModelPrice
from providers.price_import import ImportPlan
from providers.price_package import PackageMissing
from providers.price_refresh import PlanChanged, plan_refresh, refresh_prices
from providers.schemas import PriceRefreshIn, PriceRefreshOut

router = Router(tags=["Models"])


def _require_admin(request: HttpRequest) -> None:
    if not current_user(request).is_admin:
        raise ApiError(403, "forbidden", _("Only administrators can do this."))


def _missing() -> ApiError:
    text = _("The package genai-prices is not installed in the platform's environment.")
    return ApiError(503, "package_missing", text)


def _row(row: ModelPrice) -> dict[str, Any]:
    return {
        "provider": row.provider_slug,
        "model": row.model_pattern,
        "currency": row.currency,
        "input": row.input_per_mtok,
        "output": row.output_per_mtok,
        "cached_input": row.cached_input_per_mtok,
        "tiers": row.tiers,
    }


def _shown(plan: ImportPlan) -> dict[str, Any]:
    return {
        "source": plan.file.source,
        "valid_from": plan.file.valid_from,
        "digest": plan.digest,
        "added": [_row(row) for row in plan.added],
        "changed": [{"before": _row(old), "after": _row(new)} for old, new in plan.changed],
        "kept": [_row(row) for row in plan.kept],
    }


@router.get("refresh", response=PriceRefreshOut)
def preview(request: HttpRequest) -> Any:
    """What the installed package would change in the price table. Nothing changes."""
    _require_admin(request)
    try:
        return _shown(plan_refresh())
    except PackageMissing as error:
        raise _missing() from error


@router.post("refresh", response=PriceRefreshOut)
def refresh(request: HttpRequest, body: PriceRefreshIn) -> Any:
    """Does it. With the `digest` of a preview only if that is still what would change (409)."""
    _require_admin(request)
    try:
        plan = refresh_prices(actor=current_user(request), digest=body.digest, request=request)
    except PlanChanged as error:
        text = _("Meanwhile something else would change. Look at it again.")
        raise ApiError(409, "changed", text) from error
    except PackageMissing as error:
        raise _missing() from error
    return _shown(plan)
