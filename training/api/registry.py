"""API: `training/models`."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import archives, lineage, registry, versions
from training.errors import StateConflict
from training.models import ModelVersion
from training.registry_schemas import ComparisonOut, GraphOut, VersionChange, VersionFilter
from training.schemas import DeployIn, DeploymentOut, ModelVersionOut, ScaleIn
from training.version_comparison import compare as compare_versions

versions_router = Router(tags=["Training"])


@versions_router.get("", response=Page[ModelVersionOut])
def list_versions(request: HttpRequest, paging: Query[Paging], where: Query[VersionFilter]) -> Any:
    """Newest first."""
    return paginate(versions.chosen(current_user(request), **where.model_dump()), paging)


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    return owned_or_404(ModelVersion.objects.for_user(current_user(request)), pk=version_id)


@versions_router.get("{version_id}", response=ModelVersionOut)
def get_version(request: HttpRequest, version_id: int) -> ModelVersion:
    return _version(request, version_id)


@versions_router.get("{version_id}/lineage", response=GraphOut)
def get_lineage(request: HttpRequest, version_id: int) -> Any:
    """Dataset, base model, training, versions, exports and deployments, and what leads to what."""
    graph = lineage.graph_of(_version(request, version_id))
    return {"nodes": list(graph.nodes.values()), "edges": graph.edges}


@versions_router.get("{version_id}/compare", response=ComparisonOut)
def compare(request: HttpRequest, version_id: int, other: int = 0) -> Any:
    """Data, parameters, results and packages of two versions, line by line. `other` is the
    version it was trained on from, or itself, unless given."""
    version = _version(request, version_id)
    found = compare_versions(version, _version(request, other or version.parent_id or version.pk))
    return {"left": found.left.pk, "right": found.right.pk, "rows": found.rows}


@versions_router.patch("{version_id}", response=ModelVersionOut)
def change_version(request: HttpRequest, version_id: int, body: VersionChange) -> ModelVersion:
    """Notes, the model it belongs to, put away or taken out again; 409 while it is in use."""
    version, actor = _version(request, version_id), current_user(request)
    try:
        with transaction.atomic():
            versions.change(version=version, actor=actor, request=request, **body.model_dump())
    except StateConflict as error:
        raise ApiError(409, "conflict", versions.in_use_message(error)) from error
    return version


@versions_router.post("{version_id}/deploy", response={202: DeploymentOut})
def deploy(request: HttpRequest, version_id: int, body: DeployIn | None = None) -> Any:
    """Serve it; its model appears among the caller's once it answers."""
    version, options = _version(request, version_id), body.model_dump() if body else {}
    try:
        registry.deploy(version=version, actor=current_user(request), request=request, **options)
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


@versions_router.post("{version_id}/scale", response={202: DeploymentOut})
def scale(request: HttpRequest, version_id: int, body: ScaleIn) -> Any:
    """More or fewer replicas of what is deployed; one that failed for good is replaced."""
    version = _version(request, version_id)
    try:
        registry.scale(
            version=version, actor=current_user(request), request=request, **body.model_dump()
        )
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
