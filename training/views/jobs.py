"""Pages of training jobs: list, job, report."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Case, F, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from training import configurations, forecasts, report_files, reports, services
from training.curves import add_sparklines
from training.errors import StateConflict
from training.events import notes_context, page_context, samples_context
from training.models import Status, TrainingJob
from training.models.workloads import ACTIVE
from training.previews import file_name
from training.scheduling import queue_positions

JOBS_PER_PAGE = 30
RELATED = ("node", "version", "base_model", "dataset", "eval_dataset", "forecast")
VERBS = {
    "start": services.start,
    "pause": services.pause,
    "resume": services.resume,
    "stop": services.stop,
}


def _listed(user: User) -> Any:
    """What runs, then the queue in its order, then what waits for a person, then the rest; newest
    first. Fair share never changes the order among the jobs of one owner.
    """
    rank = Case(
        When(status__in=ACTIVE, then=Value(0)),
        When(status=Status.PENDING, desired="run", then=Value(1)),
        When(status__in=(Status.PAUSED, Status.PENDING), then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    rows = TrainingJob.objects.for_user(user).select_related(*RELATED)
    turn = (Case(When(rank=1, then=F(name))) for name in ("queued_at", "created_at"))
    return rows.annotate(rank=rank).order_by(
        "rank", Case(When(rank=1, then=F("priority"))).desc(), *turn, "-created_at"
    )


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The list; asked by htmx, its table alone."""
    rows = _listed(current_user(request))
    page = Paginator(rows, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    jobs = list(page.object_list)
    add_sparklines(jobs)
    positions = queue_positions(jobs)
    for job in jobs:
        job.position = positions.get(job.pk)
        job.took = forecasts.sentence_of(job)
    page.object_list = jobs
    context = {"page": page, "is_live": any(not job.is_final for job in jobs)}
    name = "training/list.html#table" if request.htmx else "training/list.html"  # type: ignore[attr-defined]
    return render(request, name, context)


def _job(request: HttpRequest, job_id: UUID) -> TrainingJob:
    rows = TrainingJob.objects.for_user(current_user(request)).select_related(*RELATED)
    return owned_or_404(rows, pk=job_id)


@require_safe
def detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    job = _job(request, job_id)
    context = page_context(job) | notes_context(job) | samples_context(job)
    context |= {"yaml": reports.configuration_of(job), "verbs": tuple(VERBS)}
    return render(request, "training/job.html", context)


@require_POST
def act(request: HttpRequest, job_id: UUID, verb: str) -> HttpResponse:
    """Start, pause, resume or stop. The socket tells the page what came of it."""
    job, trouble = _job(request, job_id), ""
    try:
        VERBS[verb](workload=job, actor=current_user(request), request=request)
    except StateConflict as error:
        trouble = error.message
    if request.htmx:  # type: ignore[attr-defined]
        answer = HttpResponse(status=204)
        if trouble:
            answer.headers["HX-Trigger"] = json.dumps(
                {"toast": {"level": "error", "text": trouble}}
            )
        return answer
    if trouble:
        messages.error(request, trouble)
    return redirect("training:detail", job_id)


@require_POST
def delete(request: HttpRequest, job_id: UUID) -> HttpResponse:
    job = _job(request, job_id)
    try:
        services.delete_job(job=job, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
        return redirect("training:detail", job_id)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": job.name})
    return redirect("training:list")


@require_safe
def report(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A page; ?format=md or pdf downloads it."""
    job = _job(request, job_id)
    if (kind := request.GET.get("format", "")) in ("md", "pdf"):
        return report_files.exported(job, kind, actor=current_user(request), request=request)
    return render(request, "training/report.html", {"job": job, "report": reports.report_of(job)})


@require_safe
def export_yaml(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """LLaMA-Factory's own file, to be trained elsewhere or read in again."""
    job = _job(request, job_id)
    answer = HttpResponse(
        configurations.export(job), content_type="application/yaml; charset=utf-8"
    )
    header = content_disposition_header(as_attachment=True, filename=f"{file_name(job.name)}.yaml")
    answer.headers["Content-Disposition"] = header or "attachment"
    return answer
