"""Labels of a version: move, take away, roll back."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import current_user, owned_or_404
from training import labels
from training.errors import StateConflict
from training.models import ModelVersion
from training.views.saying import refusals_said


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    return owned_or_404(ModelVersion.objects.for_user(current_user(request)), pk=version_id)


@require_POST
def move(request: HttpRequest, version_id: int) -> HttpResponse:
    """What stands against it is shown on the page, beside the form."""
    version = _version(request, version_id)
    label = request.POST.get("own", "").strip() or request.POST.get("label", "")
    try:
        labels.move_label(
            version=version,
            label=label,
            actor=current_user(request),
            reason=request.POST.get("reason", "")[:2000],
            request=request,
        )
    except labels.LabelBlocked as error:
        messages.error(request, labels.blocked_message(error))
    except StateConflict as error:
        messages.error(request, error.message)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        text = _("%(version)s has the label “%(label)s” now.")
        messages.success(request, text % {"version": version.title, "label": label})
    return redirect("models:detail", version_id)


@require_POST
def take(request: HttpRequest, version_id: int) -> HttpResponse:
    version = _version(request, version_id)
    with refusals_said(request):
        labels.take_label(
            version=version,
            label=request.POST.get("label", ""),
            actor=current_user(request),
            request=request,
        )
    return redirect("models:detail", version_id)


@require_POST
def roll_back(request: HttpRequest, version_id: int) -> HttpResponse:
    """Goes to the version that has the label again."""
    version = _version(request, version_id)
    label = request.POST.get("label", "")
    try:
        if version.family is None:
            raise StateConflict("rollback", "none")
        former = labels.roll_back(
            family=version.family, label=label, actor=current_user(request), request=request
        )
    except StateConflict as error:
        messages.error(request, error.message)
        return redirect("models:detail", version_id)
    text = _("%(version)s has the label “%(label)s” again.")
    messages.success(request, text % {"version": former.title, "label": label})
    return redirect("models:detail", former.pk)
