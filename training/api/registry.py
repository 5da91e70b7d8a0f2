"""API: `training/models`."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import archives, registry
from training.errors import StateConflict
from training.models import ModelVersion
from training.schemas import DeployIn, DeploymentOut, ModelVersionOut

versions_router = Router(tags=["Training"])


@versions_router.get("", response=Page[ModelVersionOut])
def list_versions(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Newest first."""
    return paginate(ModelVersion.objects.for_user(current_user(request)), paging)


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    return owned_or_404(ModelVersion.objects.for_user(current_user(request)), pk=version_id)


@versions_router.get("{version_id}", response=ModelVersionOut)
def get_version(request: HttpRequest, version_id: int) -> ModelVersion:
    return _version(request, version_id)


@versions_router.post("{version_id}/deploy", response={202: DeploymentOut})
def deploy(request: HttpRequest, version_id: int, body: DeployIn | None = None) -> Any:
    """Serve it; its model appears among the caller's once it answers."""
    version, name = _version(request, version_id), body.name if body else ""
    try:
        registry.deploy(version=version, actor=current_user(request), name=name, request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, ModelVersionOut.resolve_deployment(version)


@versions_router.post("{version_id}/undeploy", response={202: DeploymentOut})
def undeploy(request: HttpRequest, version_id: int) -> Any:
    version = _version(request, version_id)
    try:
        registry.undeploy(version=version, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, ModelVersionOut.resolve_deployment(version)


@versions_router.get("{version_id}/download", url_name="version-download")
def download(request: HttpRequest, version_id: int) -> HttpResponseBase:
    """A zip with the files of the adapter or model."""
    version = _version(request, version_id)
    response = archives.response(version, actor=current_user(request), request=request)
    if response is None:
        raise ApiError(410, "gone", archives.gone_message())
    return response
