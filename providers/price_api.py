"""API: `prices`; what changes the table is for administrators."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, paginate
from providers import table_prices
from providers.models import ModelPrice
from providers.price_import import ImportPlan
from providers.price_package import PackageMissing
from providers.price_refresh import PlanChanged, plan_refresh, refresh_prices
from providers.price_schemas import PriceQuery, PriceRowIn, PriceRowOut
from providers.rates import NAMES
from providers.schemas import PriceRefreshIn, PriceRefreshOut
from providers.table_prices import Filters

router = Router(tags=["Models"])


def _require_admin(request: HttpRequest) -> None:
    if not current_user(request).is_admin:
        raise ApiError(403, "forbidden", _("Only administrators can do this."))


@router.get("", response=Page[PriceRowOut])
def list_prices(request: HttpRequest, query: Query[PriceQuery]) -> Any:
    """The price table: of each provider and model id the price that applies and later ones; with
    `history` earlier ones, too."""
    filters = Filters(
        q=query.q,
        provider=query.provider,
        currency=query.currency,
        is_edited=query.edited,
        is_current=not query.history,
    )
    return paginate(table_prices.found(filters), query)


@router.post("", response={201: PriceRowOut})
def set_price(request: HttpRequest, body: PriceRowIn) -> Any:
    """From a day on, today or later. It never changes what was; one of the same day is replaced."""
    _require_admin(request)
    given = body.model_dump(exclude_unset=True)
    rates = {f"{name}_per_mtok": given.pop(name) for name in NAMES if name in given}
    provider, model_id = given.pop("provider"), given.pop("model")
    tiers = [
        {name: value for name, value in tier.items() if value is not None}
        for tier in given.pop("tiers", [])
    ]
    return 201, table_prices.set_price(
        actor=current_user(request),
        request=request,
        provider_slug=provider,
        model_pattern=model_id,
        tiers=sorted(tiers, key=lambda tier: int(tier["above_input_tokens"])),
        **given,
        **rates,
    )


@router.delete("{int:price_id}", response={204: None})
def remove_price(request: HttpRequest, price_id: int) -> Any:
    """Of a price that a person entered today or for later. What came before applies again."""
    _require_admin(request)
    row = owned_or_404(ModelPrice.objects.all(), pk=price_id)
    table_prices.remove_price(row=row, actor=current_user(request), request=request)
    return 204, None


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
