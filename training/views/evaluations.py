"""Evaluations of a version: begin one, watch it, read its samples."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from training import evaluation, evaluation_gate, evaluation_results, streams
from training.errors import StateConflict
from training.evaluation_forms import EvaluationForm
from training.models import Evaluation, ModelVersion, Outcome, TrainingJob
from training.scheduling import queue_position
from training.views.saying import refusals_said

SAMPLES_PER_PAGE = 20
LOG_LINES = 200


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest, version_id: int) -> HttpResponse:
    user = current_user(request)
    rows = ModelVersion.objects.for_user(user).select_related("job__dataset", "base_model")
    version = owned_or_404(rows, pk=version_id)
    form = EvaluationForm(request.POST or None, user=user, version=version)
    if form.is_valid():
        try:
            row = evaluation.begin(version=version, actor=user, request=request, **form.wanted())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The evaluation is in the queue."))
            return redirect("models:evaluation", row.pk)
    status = 422 if form.errors else 200
    context = {"form": form, "version": version}
    return render(request, "training/evaluation_form.html", context, status=status)


def _evaluation(request: HttpRequest, evaluation_id: UUID) -> Evaluation:
    rows = Evaluation.objects.for_user(current_user(request))
    related = ("version", "node", "dataset", "judge__provider")
    return owned_or_404(rows.select_related(*related), pk=evaluation_id)


@require_safe
def detail(request: HttpRequest, evaluation_id: UUID) -> HttpResponse:
    """Asked by htmx, the part that changes while it runs."""
    row = _evaluation(request, evaluation_id)
    counts = row.counts()
    outcome = request.GET.get("outcome", "")
    outcome = outcome if outcome in Outcome.values else ""
    text = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    samples = row.samples.matching(text)
    if outcome:
        samples = samples.filter(outcome=outcome)
    context: dict[str, Any] = {
        "evaluation": row,
        "version": row.version,
        "position": queue_position(row),
        "table": evaluation_results.comparison(row),
        "counts": counts,
        "shares": _shares(counts),
        "problems": evaluation_gate.problems_in(row) if row.status == "success" else [],
        "page": Paginator(samples, SAMPLES_PER_PAGE).get_page(request.GET.get("page")),
        "outcome": outcome,
        "outcomes": Outcome.choices,
        "q": text,
        "has_samples": bool(row.results),
        "log": streams.log_tail(row.pk, LOG_LINES).items if row.status == "failed" else [],
    }
    is_part = request.htmx and request.htmx.target == "evaluation"  # type: ignore[attr-defined]
    name = "training/evaluation.html#live" if is_part else "training/evaluation.html"
    response = render(request, name, context)
    if is_part and not row.is_moving:  # it has just ended: the samples are there, too
        response.headers["HX-Refresh"] = "true"
    return response


def _shares(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Pieces of a bar 100 wide: what was better, alike, worse."""
    total, x, pieces = sum(counts.values()) or 1, 0.0, []
    for name in (Outcome.WIN, Outcome.TIE, Outcome.LOSS):
        width = 100 * counts[name] / total
        piece = {"name": name.value, "label": name.label, "count": counts[name]}
        pieces.append(piece | {"x": f"{x:.2f}", "width": f"{width:.2f}"})
        x += width
    return pieces


@require_POST
def stop(request: HttpRequest, evaluation_id: UUID) -> HttpResponse:
    row = _evaluation(request, evaluation_id)
    with refusals_said(request):
        evaluation.stop(evaluation=row, actor=current_user(request), request=request)
    return redirect("models:evaluation", row.pk)


@require_POST
def delete(request: HttpRequest, evaluation_id: UUID) -> HttpResponse:
    row = _evaluation(request, evaluation_id)
    version_id = row.version_id
    try:
        evaluation.delete(evaluation=row, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
        return redirect("models:evaluation", row.pk)
    messages.success(request, _("The evaluation is deleted."))
    return redirect("models:detail", version_id)


@require_POST
def after(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Whether the share that a training holds back is evaluated once it has succeeded."""
    user = current_user(request)
    job = owned_or_404(TrainingJob.objects.for_user(user).select_related("dataset"), pk=job_id)
    with refusals_said(request):
        if request.POST.get("wanted") == "1":
            evaluation.plan(job=job, actor=user, request=request)
        else:
            evaluation.unplan(job=job, actor=user, request=request)
    if request.htmx:  # type: ignore[attr-defined]
        return HttpResponseClientRedirect(reverse("training:detail", args=[job.pk]))
    return redirect("training:detail", job.pk)
