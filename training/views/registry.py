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
from accounts.models import User
from training import archives, exports, labels, lineage, registry, versions
from training.errors import StateConflict
from training.forms import DeployForm, VersionForm
from training.models import BaseModel, Deployment, Label, ModelFamily, ModelVersion
from training.routes import PRODUCTION
from training.version_comparison import compare as compare_versions

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
    where = {name: request.GET.get(name, "")[:100] for name in ("model", "label")}
    is_archive = request.GET.get("archived") == "1"
    rows = versions.chosen(user, **where, archived=is_archive)
    page = Paginator(rows, VERSIONS_PER_PAGE).get_page(request.GET.get("page"))
    shown = _with_deployments(list(page.object_list))
    context = {
        "page": page,
        "rows": shown,
        "is_live": any(row["is_moving"] for row in shown),
        "base_models": BaseModel.objects.for_user(user),
        "where": where,
        "is_archive": is_archive,
        "families": ModelFamily.objects.for_user(user),
        "labels": known_labels(user),
        "has_versions": ModelVersion.objects.for_user(user).exists(),
    }
    name = "training/models.html#versions" if request.htmx else "training/models.html"  # type: ignore[attr-defined]
    return render(request, name, context)


def known_labels(user: User) -> list[str]:
    """The usual ones, and those that are in use."""
    used = Label.objects.filter(family__owner=user).values_list("name", flat=True)
    return sorted({*labels.SUGGESTED, *used})


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    rows = ModelVersion.objects.for_user(current_user(request))
    return owned_or_404(rows.select_related(*versions.RELATED), pk=version_id)


def _detail_context(version: ModelVersion, form: DeployForm) -> dict[str, Any]:
    shown = _with_deployments([version])[0]
    return shown | {"form": form, "has_files": bool(archives.files_of(version))}


@require_safe
def detail(request: HttpRequest, version_id: int) -> HttpResponse:
    """Asked by htmx, the deployment's part alone."""
    version = _version(request, version_id)
    context = _detail_context(version, DeployForm(initial={"name": version.name}))
    is_part = request.htmx  # type: ignore[attr-defined]
    if is_part and request.GET.get("part") == "exports":
        shown = context | _export_context(version)
        return render(request, "training/version_exports.html", shown)
    if not is_part:
        context |= _registry_context(request, version)
    name = "training/version.html#deployment" if is_part else "training/version.html"
    return render(request, name, context)


def _export_context(version: ModelVersion) -> dict[str, Any]:
    rows = list(version.exports.order_by("-created_at")[:10])
    return {
        "exports": rows,
        "exports_move": any(not export.is_final for export in rows),
        "export_formats": exports.available_formats(),
    }


def _registry_context(request: HttpRequest, version: ModelVersion) -> dict[str, Any]:
    """Labels, the way back, the picture of where it comes from, and what to compare it with."""
    user, family = current_user(request), version.family
    others = ModelVersion.objects.for_user(user).exclude(pk=version.pk).select_related("family")
    former = labels.former_version(family, PRODUCTION) if family is not None else None
    return _export_context(version) | {
        "known_labels": [name for name in known_labels(user) if name not in version.labels],
        "problems": labels.standing_against(version, PRODUCTION),
        "waiver": version.waivers.filter(label=PRODUCTION).first(),
        "former": former if PRODUCTION in version.labels else None,
        "moves": labels.moves_of(version)[:8],
        "route_names": versions.route_names(version),
        "answers_now": versions.answers_now(version),
        "picture": lineage.picture_of(lineage.graph_of(version)),
        "others": others.order_by("-created_at")[:50],
        "edit_form": VersionForm(
            initial={"notes": version.notes, "model": family.name if family else version.name}
        ),
    }


@require_POST
def change(request: HttpRequest, version_id: int) -> HttpResponse:
    """Notes and the model it belongs to. An invalid form answers the whole page, with 422."""
    version, form = _version(request, version_id), VersionForm(request.POST)
    if form.is_valid():
        try:
            versions.change(
                version=version, actor=current_user(request), request=request, **form.cleaned_data
            )
        except ValidationError as error:
            form.add_error(None, error)
        except StateConflict as error:
            form.add_error("model", versions.in_use_message(error))
        else:
            return redirect("models:detail", version_id)
    context = _with_deployments([version])[0] | {
        "form": DeployForm(initial={"name": version.name}),
        "has_files": bool(archives.files_of(version)),
    }
    context |= _registry_context(request, version) | {"edit_form": form}
    return render(request, "training/version.html", context, status=422)


@require_POST
def put_away(request: HttpRequest, version_id: int) -> HttpResponse:
    """Into the archive, or out of it again (`archived=0`)."""
    version = _version(request, version_id)
    try:
        versions.change(
            version=version,
            actor=current_user(request),
            archived=request.POST.get("archived") != "0",
            request=request,
        )
    except StateConflict as error:
        messages.error(request, versions.in_use_message(error))
    return redirect("models:detail", version_id)


@require_safe
def compare(request: HttpRequest, version_id: int) -> HttpResponse:
    """With `?with=`, another version of the same person."""
    version = _version(request, version_id)
    if "with" not in request.GET:
        return redirect("models:detail", version_id)
    rows = ModelVersion.objects.for_user(current_user(request)).select_related("family")
    other = owned_or_404(rows, pk=request.GET["with"])
    context = {"comparison": compare_versions(version, other)}
    return render(request, "training/compare_versions.html", context)


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
