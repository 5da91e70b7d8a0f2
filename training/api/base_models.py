"""API: `training/base-models` and `training/hub-tokens`."""

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import base_models, plain_serving
from training.errors import StateConflict
from training.models import BaseModel, HubToken
from training.schemas import (
    BaseModelChange,
    BaseModelIn,
    BaseModelOut,
    DeployIn,
    HubTokenIn,
    HubTokenOut,
    ModelVersionOut,
)

base_models_router = Router(tags=["Training"])
hub_tokens_router = Router(tags=["Training"])


@base_models_router.get("", response=Page[BaseModelOut])
def list_base_models(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(BaseModel.objects.for_user(current_user(request)), paging)


@base_models_router.post("", response={201: BaseModelOut})
def register_base_model(request: HttpRequest, body: BaseModelIn) -> Any:
    """A folder below an allowed root, or an id of a hub, whose download begins at once."""
    user = current_user(request)
    return 201, base_models.register_base_model(actor=user, request=request, **body.model_dump())


def _editable(request: HttpRequest, base_id: int) -> BaseModel:
    return owned_or_404(BaseModel.objects.editable_by(current_user(request)), pk=base_id)


@base_models_router.get("{base_id}", response=BaseModelOut)
def get_base_model(request: HttpRequest, base_id: int) -> BaseModel:
    """With how far its download is."""
    return owned_or_404(BaseModel.objects.for_user(current_user(request)), pk=base_id)


@base_models_router.patch("{base_id}", response=BaseModelOut)
def change_base_model(request: HttpRequest, base_id: int, body: BaseModelChange) -> BaseModel:
    base_model = _editable(request, base_id)
    base_models.change_base_model(
        base_model=base_model,
        actor=current_user(request),
        name=base_model.name if body.name is None else body.name,
        template=base_model.template if body.template is None else body.template,
        request=request,
    )
    return base_model


@base_models_router.delete("{base_id}", response={204: None})
def delete_base_model(request: HttpRequest, base_id: int) -> Any:
    """409 while a download runs or a training names it."""
    base_model = _editable(request, base_id)
    try:
        base_models.delete_base_model(
            base_model=base_model, actor=current_user(request), request=request
        )
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 204, None


@base_models_router.post("{base_id}/download", response={202: BaseModelOut})
def start_download(request: HttpRequest, base_id: int) -> Any:
    """Again, from where the last one ended."""
    base_model = _editable(request, base_id)
    try:
        base_models.start_fetch(base_model=base_model, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, base_model


@base_models_router.post("{base_id}/cancel", response={202: BaseModelOut})
def cancel_download(request: HttpRequest, base_id: int) -> Any:
    """What has arrived is kept for the next one. Also ends the making of a base model."""
    base_model = _editable(request, base_id)
    try:
        base_models.cancel(base_model=base_model, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, base_model


@hub_tokens_router.get("", response=list[HubTokenOut])
def list_hub_tokens(request: HttpRequest) -> Any:
    return HubToken.objects.for_user(current_user(request)).order_by("hub")


@hub_tokens_router.put("{hub}", response=HubTokenOut)
def set_hub_token(request: HttpRequest, hub: str, body: HubTokenIn) -> HubToken:
    """For your downloads from huggingface or modelscope."""
    user = current_user(request)
    return base_models.set_hub_token(owner=user, hub=hub, token=body.token, request=request)


@hub_tokens_router.delete("{hub}", response={204: None})
def forget_hub_token(request: HttpRequest, hub: str) -> Any:
    if not base_models.forget_hub_token(owner=current_user(request), hub=hub, request=request):
        raise Http404
    return 204, None


@base_models_router.post("{base_id}/deploy", response={202: ModelVersionOut})
def deploy_base_model(request: HttpRequest, base_id: int, body: DeployIn | None = None) -> Any:
    """Serve it as it is; an embedding model answers `/v1/embeddings`. It becomes a version."""
    user = current_user(request)
    base_model = owned_or_404(BaseModel.objects.for_user(user), pk=base_id)
    options = body.model_dump(exclude={"engine"}) if body else {}
    try:
        row = plain_serving.deploy(base_model=base_model, actor=user, request=request, **options)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, row.version
