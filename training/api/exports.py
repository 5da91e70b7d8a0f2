"""API: `training/models/{id}/exports` and `training/exports/{id}`."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import archives, exports
from training.errors import StateConflict
from training.models import ModelExport, ModelVersion
from training.registry_schemas import BaseFromExport, ExportIn, ExportOut
from training.schemas import BaseModelOut

version_exports_router = Router(tags=["Training"])
exports_router = Router(tags=["Training"])


def _export(request: HttpRequest, export_id: UUID) -> ModelExport:
    rows = ModelExport.objects.for_user(current_user(request)).select_related("version__family")
    return owned_or_404(rows, pk=export_id)


@version_exports_router.get("{version_id}/exports", response=Page[ExportOut])
def list_exports(request: HttpRequest, version_id: int, paging: Query[Paging]) -> Any:
    """Newest first."""
    mine = ModelVersion.objects.for_user(current_user(request))
    version = owned_or_404(mine, pk=version_id)
    return paginate(version.exports.select_related("node").order_by("-created_at"), paging)


@version_exports_router.post("{version_id}/exports", response={202: ExportOut})
def start_export(request: HttpRequest, version_id: int, body: ExportIn) -> Any:
    """A whole model: merged safetensors with a Modelfile for Ollama, or one GGUF file."""
    user = current_user(request)
    version = owned_or_404(ModelVersion.objects.for_user(user), pk=version_id)
    try:
        made = exports.start_export(
            version=version, format=body.format, actor=user, request=request
        )
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, made


@exports_router.get("{export_id}", response=ExportOut)
def get_export(request: HttpRequest, export_id: UUID) -> ModelExport:
    return _export(request, export_id)


@exports_router.post("{export_id}/stop", response={202: ExportOut})
def stop_export(request: HttpRequest, export_id: UUID) -> Any:
    export = _export(request, export_id)
    try:
        exports.stop_export(export=export, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, _export(request, export_id)


@exports_router.get("{export_id}/download", url_name="export-download")
def download_export(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    """A zip with its files."""
    export = _export(request, export_id)
    response = archives.response(export, actor=current_user(request), request=request)
    if response is None:
        raise ApiError(410, "gone", archives.gone_message())
    return response


@exports_router.post("{export_id}/base-model", response={201: BaseModelOut})
def register_export(
    request: HttpRequest, export_id: UUID, body: BaseFromExport | None = None
) -> Any:
    """A base model of yours, to train on from; 409 unless it is a merged model that is here."""
    export, name = _export(request, export_id), body.name if body else ""
    try:
        return 201, exports.register_as_base(
            export=export, name=name, actor=current_user(request), request=request
        )
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error


@exports_router.delete("{export_id}", response={204: None})
def delete_export(request: HttpRequest, export_id: UUID) -> Any:
    """With its files; 409 while it is being made or a base model lives on it."""
    export = _export(request, export_id)
    try:
        exports.delete_export(export=export, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 204, None
