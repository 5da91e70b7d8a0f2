"""API: `provider-presets`, `providers`, `models`, `usage`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from providers import services
from providers.errors import ProviderError
from providers.models import Provider, ProviderModel
from providers.presets import PRESETS
from providers.schemas import (
    ModelIn,
    ModelOut,
    ModelPatch,
    PresetOut,
    ProviderIn,
    ProviderOut,
    ProviderPatch,
    RefreshOut,
    TestOut,
    UsageOut,
    UsageQuery,
)
from providers.usage import GROUPS, Period, records_of
from providers.usage_export import items

presets_router = Router(tags=["Providers"])
providers_router = Router(tags=["Providers"])
models_router = Router(tags=["Models"])
usage_router = Router(tags=["Usage"])


@presets_router.get("", response=list[PresetOut])
def list_presets(request: HttpRequest) -> Any:
    return PRESETS


@providers_router.get("", response=Page[ProviderOut])
def list_providers(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(Provider.objects.for_user(current_user(request)), paging)


@providers_router.post("", response={201: ProviderOut})
def create_provider(request: HttpRequest, body: ProviderIn) -> Any:
    user = current_user(request)
    given = body.model_dump(exclude_none=True)
    return 201, services.create_provider(actor=user, request=request, **given)


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
    result = services.check_connection(_editable(request, provider_id))
    error = result.error
    shown = {"code": error.code, "message": str(error.advice)} if error else None
    return {"ok": result.ok, "latency_ms": result.latency_ms, "error": shown}


@providers_router.post("{provider_id}/refresh-models", response=RefreshOut)
def refresh_models(request: HttpRequest, provider_id: int) -> Any:
    provider = _editable(request, provider_id)
    try:
        result = services.refresh_models(
            provider=provider, actor=current_user(request), request=request
        )
    except ProviderError as error:
        raise ApiError(502, error.code, str(error.advice)) from error
    return {
        "added": len(result.added),
        "updated": len(result.changed),
        "missing": len(result.missing),
        "models": list(provider.models.filter(missing_since=None)),
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
    return paginate(rows.select_related("provider"), paging)


@models_router.patch("{model_id}", response=ModelOut)
def change_model(request: HttpRequest, model_id: int, body: ModelPatch) -> ProviderModel:
    user = current_user(request)
    editable = Provider.objects.editable_by(user)
    model = owned_or_404(ProviderModel.objects.filter(provider__in=editable), pk=model_id)
    changes = body.model_dump(exclude_unset=True)
    return services.change_model(model=model, actor=user, request=request, **changes)


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
