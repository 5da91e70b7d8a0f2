"""Model versions: list, one of them, deploy and undeploy, download."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from training import archives, registry
from training.errors import StateConflict
from training.forms import DeployForm
from training.models import BaseModel, Deployment, ModelVersion

VERSIONS_PER_PAGE = 30
MOVING = ("starting", "stopping")


def _with_deployments(versions: list[ModelVersion]) -> list[dict[str, Any]]:
    """Each with its newest deployment, in one query."""
    newest: dict[int, Deployment] = {}
    rows = Deployment.objects.filter(version__in=versions).select_related("provider_model")
    for deployment in rows.order_by("created_at"):
        newest[deployment.version_id] = deployment
    return [_shown(version, newest.get(version.pk)) for version in versions]


def _shown(version: ModelVersion, deployment: Deployment | None) -> dict[str, Any]:
    state = deployment.serving_state if deployment is not None else "none"
    model = deployment.provider_model if deployment is not None and state == "running" else None
    return {
        "version": version,
        "deployment": deployment,
        "state": state,
        "model": model,
        "is_moving": state in MOVING or (state == "running" and model is None),
    }


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Versions and base models; asked by htmx, the table of versions alone."""
    user = current_user(request)
    rows = ModelVersion.objects.for_user(user).select_related("job", "base_model")
    page = Paginator(rows, VERSIONS_PER_PAGE).get_page(request.GET.get("page"))
    shown = _with_deployments(list(page.object_list))
    context = {
        "page": page,
        "rows": shown,
        "is_live": any(row["is_moving"] for row in shown),
        "base_models": BaseModel.objects.for_user(user),
    }
    name = "training/models.html#versions" if request.htmx else "training/models.html"  # type: ignore[attr-defined]
    return render(request, name, context)


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    rows = ModelVersion.objects.for_user(current_user(request)).select_related("job", "base_model")
    return owned_or_404(rows, pk=version_id)


def _detail_context(version: ModelVersion, form: DeployForm) -> dict[str, Any]:
    shown = _with_deployments([version])[0]
    return shown | {"form": form, "has_files": bool(archives.files_of(version))}


@require_safe
def detail(request: HttpRequest, version_id: int) -> HttpResponse:
    """Asked by htmx, the deployment's part alone."""
    version = _version(request, version_id)
    context = _detail_context(version, DeployForm(initial={"name": version.name}))
    is_part = request.htmx  # type: ignore[attr-defined]
    name = "training/version.html#deployment" if is_part else "training/version.html"
    return render(request, name, context)


def _to_detail(request: HttpRequest, version_id: int) -> HttpResponse:
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(reverse("models:detail", args=[version_id]))
    return redirect("models:detail", version_id)


@require_POST
def deploy(request: HttpRequest, version_id: int) -> HttpResponse:
    version = _version(request, version_id)
    form, user = DeployForm(request.POST), current_user(request)
    if form.is_valid():
        try:
            registry.deploy(version=version, actor=user, request=request, **form.options())
        except StateConflict as error:
            messages.error(request, error.message)
        except ValidationError as error:
            form.add_error(None, error)
    if form.errors:
        context = _detail_context(version, form)
        return render(request, "training/version.html", context, status=422)
    return _to_detail(request, version_id)


@require_POST
def undeploy(request: HttpRequest, version_id: int) -> HttpResponse:
    version = _version(request, version_id)
    try:
        registry.undeploy(version=version, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
    return redirect("models:detail", version_id)


@require_safe
def download(request: HttpRequest, version_id: int) -> HttpResponseBase:
    version = _version(request, version_id)
    answer = archives.response(version, actor=current_user(request), request=request)
    if answer is None:
        messages.error(request, archives.gone_message())
        return redirect("models:detail", version_id)
    return answer
