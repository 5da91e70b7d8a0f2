"""Pages for watching trainings: comparing runs, keeping the best checkpoint."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from training import comparing, keeping
from training.errors import StateConflict
from training.models import TrainingJob

OFFERED = 60


@require_POST
def keep_best(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The best checkpoint becomes the result; the run ends."""
    user = current_user(request)
    job = owned_or_404(TrainingJob.objects.for_user(user), pk=job_id)
    try:
        version = keeping.keep_best(job=job, actor=user, request=request)
    except StateConflict as error:
        if request.htmx:  # type: ignore[attr-defined]
            answer = HttpResponse(status=204)
            told = {"toast": {"level": "error", "text": error.message}}
            answer.headers["HX-Trigger"] = json.dumps(told)
            return answer
        messages.error(request, error.message)
        return redirect("training:detail", job_id)
    messages.success(request, _("The best checkpoint is registered as a model version."))
    answer = redirect("models:detail", version.pk)
    if request.htmx:  # type: ignore[attr-defined]
        answer = HttpResponse(status=204, headers={"HX-Redirect": answer.headers["Location"]})
    return answer


def _wanted(request: HttpRequest) -> list[UUID]:
    found = []
    for text in request.GET.getlist("job"):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Runs on top of one another; ?job= as often as wanted."""
    user = current_user(request)
    compared = comparing.compare(user=user, job_ids=_wanted(request))
    chosen = {job.pk for job in compared.jobs}
    rows = TrainingJob.objects.for_user(user).filter(attempt__gt=0)
    recent = list(rows.select_related("base_model", "dataset").order_by("-created_at")[:OFFERED])
    offered = compared.jobs + [job for job in recent if job.pk not in chosen]
    context: dict[str, Any] = {
        "compared": compared,
        "offered": [(job, job.pk in chosen) for job in offered],
        "most": comparing.JOBS_MAX,
        "ids": [str(job.pk) for job in compared.jobs],
        "names": [job.name for job in compared.jobs],
    }
    return render(request, "training/compare.html", context)
