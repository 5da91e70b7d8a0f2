"""API: `training/models/{id}/evaluations` and `training/evaluations`."""

from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import evaluation
from training.errors import StateConflict
from training.evaluation_schemas import EvaluationIn, EvaluationOut, SampleOut
from training.models import Dataset, Evaluation, ModelVersion, TrainingJob

evaluations_router = Router(tags=["Training"])
job_evaluation_router = Router(tags=["Training"])
version_evaluations_router = Router(tags=["Training"])


def _version(request: HttpRequest, version_id: int) -> ModelVersion:
    rows = ModelVersion.objects.for_user(current_user(request)).select_related("job__dataset")
    return owned_or_404(rows, pk=version_id)


def _evaluation(request: HttpRequest, evaluation_id: str) -> Evaluation:
    return owned_or_404(Evaluation.objects.for_user(current_user(request)), pk=evaluation_id)


@version_evaluations_router.get("{version_id}/evaluations", response=Page[EvaluationOut])
def list_evaluations(request: HttpRequest, version_id: int, paging: Query[Paging]) -> Any:
    """Newest first."""
    return paginate(_version(request, version_id).evaluations.all(), paging)


@version_evaluations_router.post("{version_id}/evaluations", response={201: EvaluationOut})
def begin_evaluation(request: HttpRequest, version_id: int, body: EvaluationIn) -> Any:
    """Base model and version answer the same held-out examples, on a node."""
    user, version = current_user(request), _version(request, version_id)
    dataset = None
    if body.dataset is not None:
        dataset = Dataset.objects.for_user(user).filter(pk=body.dataset).first()
        if dataset is None:
            raise ValidationError({"dataset": [_("There is no such dataset.")]})
    return 201, evaluation.begin(
        version=version,
        actor=user,
        source=body.source,
        dataset=dataset,
        probes=[probe.model_dump() for probe in body.probes],
        limit=body.limit,
        max_new_tokens=body.max_new_tokens,
        judge=evaluation.checked_judge(user, body.judge),
        rubric=body.rubric,
        request=request,
    )


@evaluations_router.get("{evaluation_id}", response=EvaluationOut)
def get_evaluation(request: HttpRequest, evaluation_id: str) -> Evaluation:
    return _evaluation(request, evaluation_id)


@evaluations_router.get("{evaluation_id}/samples", response=Page[SampleOut])
def list_samples(
    request: HttpRequest,
    evaluation_id: str,
    paging: Query[Paging],
    outcome: Literal["", "win", "loss", "tie"] = "",
    q: str = "",
) -> Any:
    """Both answers, sample by sample; `outcome` and `q` (a text in it) choose among them."""
    rows = _evaluation(request, evaluation_id).samples.matching(q.replace("\x00", "")[:200])
    if outcome:
        rows = rows.filter(outcome=outcome)
    return paginate(rows, paging)


@evaluations_router.post("{evaluation_id}/stop", response={202: EvaluationOut})
def stop_evaluation(request: HttpRequest, evaluation_id: str) -> Any:
    row = _evaluation(request, evaluation_id)
    try:
        evaluation.stop(evaluation=row, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    row.refresh_from_db()
    return 202, row


@evaluations_router.delete("{evaluation_id}", response={204: None})
def delete_evaluation(request: HttpRequest, evaluation_id: str) -> Any:
    row = _evaluation(request, evaluation_id)
    try:
        evaluation.delete(evaluation=row, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 204, None


def _job(request: HttpRequest, job_id: str) -> TrainingJob:
    rows = TrainingJob.objects.for_user(current_user(request)).select_related("dataset")
    return owned_or_404(rows, pk=job_id)


@job_evaluation_router.put("{job_id}/evaluation", response={204: None})
def plan_evaluation(request: HttpRequest, job_id: str, body: EvaluationIn) -> Any:
    """Begins by itself once the job has succeeded; `source` share needs a `val_size`."""
    job, user = _job(request, job_id), current_user(request)
    try:
        evaluation.plan(job=job, actor=user, request=request, **body.model_dump())
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 204, None


@job_evaluation_router.delete("{job_id}/evaluation", response={204: None})
def unplan_evaluation(request: HttpRequest, job_id: str) -> Any:
    job = _job(request, job_id)
    evaluation.unplan(job=job, actor=current_user(request), request=request)
    return 204, None
