"""Exports of a version: start, stop, delete, download, make a base model of one."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from training import archives, exports
from training.errors import StateConflict
from training.models import ModelExport, ModelVersion
from training.views.saying import refusals_said


def _export(request: HttpRequest, export_id: UUID) -> ModelExport:
    rows = ModelExport.objects.for_user(current_user(request)).select_related("version__family")
    return owned_or_404(rows, pk=export_id)


@require_POST
def create(request: HttpRequest, version_id: int) -> HttpResponse:
    rows = ModelVersion.objects.for_user(current_user(request))
    version = owned_or_404(rows, pk=version_id)
    with refusals_said(request):
        exports.start_export(
            version=version,
            format=request.POST.get("format", ""),
            actor=current_user(request),
            request=request,
        )
    return redirect("models:detail", version_id)


@require_POST
def stop(request: HttpRequest, export_id: UUID) -> HttpResponse:
    export = _export(request, export_id)
    with refusals_said(request):
        exports.stop_export(export=export, actor=current_user(request), request=request)
    return redirect("models:detail", export.version_id)


@require_POST
def delete(request: HttpRequest, export_id: UUID) -> HttpResponse:
    export = _export(request, export_id)
    version_id = export.version_id
    try:
        exports.delete_export(export=export, actor=current_user(request), request=request)
    except StateConflict:
        messages.error(
            request, _("It stays: it is being made, or a base model lives on its files.")
        )
    return redirect("models:detail", version_id)


@require_safe
def download(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    export = _export(request, export_id)
    answer = archives.response(export, actor=current_user(request), request=request)
    if answer is None:
        messages.error(request, archives.gone_message())
        return redirect("models:detail", export.version_id)
    return answer


@require_POST
def register(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """Goes to the base model that was made of it."""
    export = _export(request, export_id)
    with refusals_said(request):
        made = exports.register_as_base(
            export=export, name="", actor=current_user(request), request=request
        )
        messages.success(request, _("“%(name)s” is registered.") % {"name": made.name})
        return redirect("models:base", made.pk)
    return redirect("models:detail", export.version_id)
