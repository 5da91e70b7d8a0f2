"""API: `provider-presets`, `providers`, `models`, `usage`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from providers import own_prices, services, undoing
from providers.errors import ProviderError
from providers.model_list import RefreshPlan, plan_refresh
from providers.models import Provider, ProviderModel
from providers.presets import PRESETS
from providers.schemas import (
    ModelIn,
    ModelOut,
    ModelPatch,
    PresetOut,
    PriceIn,
    PriceOut,
    ProviderIn,
    ProviderOut,
    ProviderPatch,
    RefreshOut,
    RehearsalOut,
    TestOut,
    UndoOut,
    UsageOut,
    UsageQuery,
)
from providers.usage import GROUPS, Period, records_of
from providers.usage_export import items

presets_router = Router(tags=["Providers"])
providers_router = Router(tags=["Providers"])
models_router = Router(tags=["Models"])
usage_router = Router(tags=["Usage"])
USD_FIELDS = {
    "price_in_usd_per_mtok": "input_per_mtok",
    "price_out_usd_per_mtok": "output_per_mtok",
}


@presets_router.get("", response=Page[PresetOut])
def list_presets(request: HttpRequest) -> Any:
    """All of them; they are few."""
    return {"items": PRESETS, "count": len(PRESETS)}


@providers_router.get("", response=Page[ProviderOut])
def list_providers(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(Provider.objects.for_user(current_user(request)), paging)


@providers_router.post("", response={201: ProviderOut})
def create_provider(request: HttpRequest, body: ProviderIn) -> Any:
    user = current_user(request)
    given = body.model_dump(exclude_none=True)
    return 201, services.create_provider(actor=user, request=request, **given)


@providers_router.post("test", response=RehearsalOut)
def rehearse(request: HttpRequest, body: ProviderIn) -> Any:
    """Asks as a new connection would, with the models it would have. Nothing is saved."""
    given = body.model_dump(exclude_none=True)
    draft = services.unsaved_provider(actor=current_user(request), **given)
    found = services.rehearse_connection(draft)
    models = [
        {"model_id": row.model_id, "types": list(row.types), "evidence": row.evidence}
        for row in found.models
    ]
    return _tested(found.result) | {"models": models}


@providers_router.get("{provider_id}", response=ProviderOut)
def get_provider(request: HttpRequest, provider_id: int) -> Provider:
    return owned_or_404(Provider.objects.for_user(current_user(request)), pk=provider_id)


def _editable(request: HttpRequest, provider_id: int) -> Provider:
    return owned_or_404(Provider.objects.editable_by(current_user(request)), pk=provider_id)


@providers_router.patch("{provider_id}", response=ProviderOut)
def change_provider(request: HttpRequest, provider_id: int, body: ProviderPatch) -> Provider:
    """A new host without the key again is refused: the stored key is for the old one."""
    return services.change_provider(
        provider=_editable(request, provider_id),
        actor=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True, exclude_none=True),
    )


@providers_router.delete("{provider_id}", response={204: None})
def delete_provider(request: HttpRequest, provider_id: int) -> Any:
    provider = _editable(request, provider_id)
    services.delete_provider(provider=provider, actor=current_user(request), request=request)
    return 204, None


@providers_router.post("{provider_id}/test", response=TestOut)
def test_provider(request: HttpRequest, provider_id: int) -> Any:
    return _tested(services.check_connection(_editable(request, provider_id)))


def _tested(result: services.TestResult) -> dict[str, Any]:
    error = result.error
    shown = {"code": error.code, "message": str(error.advice)} if error else None
    return {"ok": result.ok, "latency_ms": result.latency_ms, "error": shown}


@providers_router.post("{provider_id}/refresh-models", response=RefreshOut)
def refresh_models(request: HttpRequest, provider_id: int, preview: bool = False) -> Any:
    """Brings the model list up to date; with `preview` it only says what would change."""
    provider = _editable(request, provider_id)
    try:
        if preview:
            return _previewed(plan_refresh(provider, services.list_models(provider)))
        result = services.refresh_models(
            provider=provider, actor=current_user(request), request=request
        )
    except ProviderError as error:
        raise ApiError(502, error.code, str(error.advice)) from error
    return _counts(result) | {"models": list(provider.models.filter(missing_since=None))}


@providers_router.post("{provider_id}/undo-refresh", response=UndoOut)
def undo_refresh(request: HttpRequest, provider_id: int) -> Any:
    """Takes the latest refresh back; what a person edited since, stays."""
    provider, actor = _editable(request, provider_id), current_user(request)
    return {"models": undoing.undo_refresh(provider=provider, actor=actor, request=request)}


def _counts(plan: RefreshPlan) -> dict[str, int]:
    return {
        "added": len(plan.added),
        "updated": len(plan.changed),
        "renamed": len(plan.renamed),
        "missing": len(plan.missing),
        "kept": len(plan.kept),
    }


def _previewed(plan: RefreshPlan) -> dict[str, Any]:
    """The rows that would change, each as it would be."""
    changed = [
        {
            "model_id": each.after.get("model_id", each.model.model_id),
            "types": each.after.get("types", each.model.types),
            "evidence": each.after.get("type_evidence", each.model.type_evidence),
            "was": each.before.get("model_id"),
        }
        for each in (*plan.changed, *plan.renamed)
    ]
    added = [
        {"model_id": row.model_id, "types": list(row.types), "evidence": row.evidence}
        for row in plan.added
    ]
    return _counts(plan) | {
        "models": [*added, *changed],
        "missing_models": [model.model_id for model in plan.missing],
    }


@providers_router.post("{provider_id}/models", response={201: ModelOut})
def add_model(request: HttpRequest, provider_id: int, body: ModelIn) -> Any:
    """A model that the provider's own list lacks."""
    return 201, services.add_model(
        provider=_editable(request, provider_id),
        model_id=body.model_id,
        actor=current_user(request),
        request=request,
    )


@models_router.get("", response=Page[ModelOut])
def list_models(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Models the caller may use now."""
    rows = ProviderModel.objects.for_user(current_user(request)).usable()
    rows = rows.select_related("provider").prefetch_related("own_prices")
    return paginate(rows, paging)


@models_router.patch("{model_id}", response=ModelOut)
def change_model(request: HttpRequest, model_id: int, body: ModelPatch) -> ProviderModel:
    model, user = _editable_model(request, model_id), current_user(request)
    changes = body.model_dump(exclude_unset=True)
    rates = {mine: changes.pop(name) for name, mine in USD_FIELDS.items() if name in changes}
    with transaction.atomic():
        if rates:
            own_prices.set_usd(model=model, actor=user, request=request, **rates)
        if changes:
            services.change_model(model=model, actor=user, request=request, **changes)
    return model


def _editable_model(request: HttpRequest, model_id: int) -> ProviderModel:
    editable = Provider.objects.editable_by(current_user(request))
    rows = ProviderModel.objects.filter(provider__in=editable).select_related("provider")
    return owned_or_404(rows, pk=model_id)


def _price_shown(row: own_prices.PriceRow) -> dict[str, Any]:
    plain = {"valid_from": row.row.valid_from, "currency": row.row.currency, **row.rates}
    return {"id": row.own_id, "source": row.source, "is_current": row.is_current, **plain}


@models_router.get("{model_id}/prices", response=list[PriceOut])
def list_prices(request: HttpRequest, model_id: int) -> Any:
    """The model's own prices and those of the price table that apply to it, latest first."""
    rows = ProviderModel.objects.for_user(current_user(request)).select_related("provider")
    model = owned_or_404(rows, pk=model_id)
    return [_price_shown(row) for row in own_prices.history(model, timezone.now())]


@models_router.post("{model_id}/prices", response={201: list[PriceOut]})
def set_price(request: HttpRequest, model_id: int, body: PriceIn) -> Any:
    """From a day on; a price of the same day is replaced. Answers with all prices of the model."""
    model, rates = _editable_model(request, model_id), body.model_dump()
    day, currency = rates.pop("valid_from"), rates.pop("currency")
    own_prices.set_price(
        model=model,
        actor=current_user(request),
        request=request,
        valid_from=day,
        currency=currency,
        **{f"{name}_per_mtok": rate for name, rate in rates.items()},
    )
    return 201, list_prices(request, model_id)


@models_router.delete("{model_id}/prices/{price_id}", response={204: None})
def remove_price(request: HttpRequest, model_id: int, price_id: int) -> Any:
    """What came before applies again; calls keep the cost that they had."""
    model = _editable_model(request, model_id)
    row = owned_or_404(model.own_prices.all(), pk=price_id)
    own_prices.remove_price(row=row, actor=current_user(request), request=request)
    return 204, None


def _groups(text: str) -> list[str]:
    groups = list(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    if not groups or not set(groups) <= set(GROUPS):
        known = ", ".join(GROUPS)
        raise ValidationError({"group_by": [_("Choose from %(groups)s.") % {"groups": known}]})
    return groups


@usage_router.get("", response=Page[UsageOut], exclude_unset=True)
def list_usage(request: HttpRequest, query: Query[UsageQuery]) -> Any:
    """Calls, tokens and cost in groups. Costs in different currencies are never added."""
    groups = _groups(query.group_by)
    period = Period.between(query.from_, query.to)
    found = items(records_of(current_user(request), query.user), period, groups)
    return {"items": found[query.offset : query.offset + query.limit], "count": len(found)}
