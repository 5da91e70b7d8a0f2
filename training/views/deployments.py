"""One deployment: how it is, what it says, how many there are of it, and whether it is asked as it
was taught."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.text import number_of
from training import parity, registry, streams
from training.errors import StateConflict
from training.models import Deployment, Desired
from training.serving import REPLICAS_MAX

LOG_TAIL = 400
MOVING = ("starting", "stopping", "running")


def _deployment(request: HttpRequest, deployment_id: UUID) -> Deployment:
    rows = Deployment.objects.for_user(current_user(request))
    related = ("version__job__dataset", "node", "provider_model")
    return owned_or_404(rows.select_related(*related), pk=deployment_id)


@require_safe
def detail(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """Asked by htmx, the part that changes."""
    row = _deployment(request, deployment_id)
    check = row.parity_checks.order_by("-created_at").first()
    lines = streams.log_tail(row.pk, LOG_TAIL)
    context: dict[str, Any] = {
        "deployment": row,
        "version": row.version,
        "state": row.serving_state,
        "model": row.provider_model,
        "replicas": row.group().select_related("node"),
        "replicas_wanted": row.group().unfinished().filter(desired=Desired.RUN).count(),
        "replicas_max": REPLICAS_MAX,
        "last_request_at": parse_datetime(row.health.get("last_request_at") or ""),
        "is_moving": row.serving_state in MOVING or (check is not None and not check.is_final),
        "check": check,
        "can_check": row.serving_state == "running" and parity.is_possible(row.version),
        "problems": parity.problems_of(row.version),
        "log": lines,
        "site": request.build_absolute_uri("/")[:-1],
    }
    is_part = request.htmx and request.htmx.target == "deployment"  # type: ignore[attr-defined]
    name = "training/deployment.html#live" if is_part else "training/deployment.html"
    return render(request, name, context)


@require_safe
def log(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """The lines after `?after=`, and what asks for the next ones."""
    row = _deployment(request, deployment_id)
    after = request.GET.get("after", "")
    lines = streams.log_after(row.pk, number_of(after, 9) or 0)
    context = {"deployment": row, "log": lines}
    return render(request, "training/deployment.html#log", context)


@require_POST
def check(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    row = _deployment(request, deployment_id)
    try:
        parity.begin(deployment=row, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
    else:
        messages.success(request, _("The check is in the queue."))
    return redirect("models:deployment", row.pk)


@require_POST
def scale(request: HttpRequest, deployment_id: UUID) -> HttpResponse:
    """To `replicas` of them."""
    row, wanted = _deployment(request, deployment_id), request.POST.get("replicas", "")
    number = number_of(wanted, 3) or 0
    try:
        current = registry.scale(
            version=row.version, replicas=number, actor=current_user(request), request=request
        )
    except StateConflict as error:
        messages.error(request, error.message)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        row = current
        text = ngettext(
            "%(count)d replica shall answer.", "%(count)d replicas shall answer.", number
        )
        messages.success(request, text % {"count": number})
    return redirect("models:deployment", row.pk)
