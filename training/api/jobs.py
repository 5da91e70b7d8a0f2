"""API: `training/estimate` and `training/jobs`."""

from collections.abc import Callable
from typing import Any, Literal

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router, Status

from accounts.access import current_user, owned_or_404
from accounts.models import User
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import configurations, keeping, previews, report_files, services
from training.choosing import chosen_of, sharing_of
from training.errors import StateConflict
from training.models import ModelVersion, TrainingJob
from training.models import Status as JobStatus
from training.schemas import EstimateIn, EstimateOut, JobIn, JobOut, ModelVersionOut

jobs_router = Router(tags=["Training"])
RELATED = ("node", "version", "base_model", "dataset", "forecast")


def _job(request: HttpRequest, job_id: str) -> TrainingJob:
    rows = TrainingJob.objects.for_user(current_user(request)).select_related(*RELATED)
    return owned_or_404(rows, pk=job_id)


@jobs_router.post("estimate", response=EstimateOut)
def estimate_job(request: HttpRequest, body: EstimateIn) -> Any:
    """Memory by part, whether it fits now, steps and time; nothing is started."""
    user = current_user(request)
    preview = previews.preview(
        owner=user,
        name="",
        sharing=sharing_of(body),
        parameters=body.parameters,
        **chosen_of(user, body),
    )
    notes = [{"parameter": name, "text": text} for name, text in preview.notes]
    told = {"yaml": preview.yaml, "command": preview.command, "notes": notes}
    return preview.estimate.as_json() | told


@jobs_router.get("jobs", response=Page[JobOut])
def list_jobs(request: HttpRequest, paging: Query[Paging], status: str = "") -> Any:
    """Newest first; `status` as the rows say it."""
    rows = TrainingJob.objects.for_user(current_user(request)).select_related(*RELATED)
    if status in JobStatus.values:
        rows = rows.filter(status=status)
    return paginate(rows, paging)


@jobs_router.post("jobs", response={201: JobOut})
def create_job(request: HttpRequest, body: JobIn) -> Any:
    user = current_user(request)
    job = services.create_job(
        owner=user,
        name=body.name,
        parameters=body.parameters,
        sample_prompts=body.sample_prompts,
        sharing=sharing_of(body),
        start=body.start,
        allow_too_large=body.allow_too_large,
        start_version=_start_version(user, body.start_version),
        request=request,
        **chosen_of(user, body),
    )
    return 201, job


def _start_version(user: User, pk: int | None) -> ModelVersion | None:
    """ValidationError where there is no such version of this person."""
    if pk is None:
        return None
    found = ModelVersion.objects.for_user(user).filter(pk=pk).first()
    if found is None:
        raise ValidationError({"start_version": [_("There is no such model version.")]})
    return found


@jobs_router.get("jobs/{job_id}", response=JobOut)
def get_job(request: HttpRequest, job_id: str) -> TrainingJob:
    return _job(request, job_id)


@jobs_router.get("jobs/{job_id}/yaml", url_name="job-yaml")
def job_yaml(request: HttpRequest, job_id: str) -> HttpResponse:
    """As `llamafactory-cli train` reads it."""
    text = configurations.export(_job(request, job_id))
    return HttpResponse(text, content_type="application/yaml; charset=utf-8")


@jobs_router.delete("jobs/{job_id}", response={204: None})
def delete_job(request: HttpRequest, job_id: str) -> Any:
    """Only jobs that have ended; their model versions stay."""
    job = _job(request, job_id)
    try:
        services.delete_job(job=job, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 204, None


def _act(verb: Callable[..., None], request: HttpRequest, job_id: str) -> Any:
    job = _job(request, job_id)
    try:
        verb(workload=job, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return 202, _job(request, job_id)


@jobs_router.post("jobs/{job_id}/start", response={202: JobOut})
def start_job(request: HttpRequest, job_id: str) -> Any:
    return _act(services.start, request, job_id)


@jobs_router.post("jobs/{job_id}/pause", response={202: JobOut})
def pause_job(request: HttpRequest, job_id: str) -> Any:
    """Saves at the end of the step; resuming goes on exactly from there."""
    return _act(services.pause, request, job_id)


@jobs_router.post("jobs/{job_id}/resume", response={202: JobOut})
def resume_job(request: HttpRequest, job_id: str) -> Any:
    return _act(services.resume, request, job_id)


@jobs_router.post("jobs/{job_id}/stop", response={202: JobOut})
def stop_job(request: HttpRequest, job_id: str) -> Any:
    """For good."""
    return _act(services.stop, request, job_id)


@jobs_router.post("jobs/{job_id}/keep-best", response={201: ModelVersionOut})
def keep_best(request: HttpRequest, job_id: str) -> Any:
    """The checkpoint with the lowest evaluation loss becomes the result, and the run ends. 409
    where there is none, or a result already."""
    try:
        version = keeping.keep_best(
            job=_job(request, job_id), actor=current_user(request), request=request
        )
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return Status(201, version)


@jobs_router.get("jobs/{job_id}/report", url_name="job-report")
def job_report(
    request: HttpRequest, job_id: str, format: Literal["html", "md", "pdf"] = "html"
) -> HttpResponse:
    """The report as a page that stands alone, as Markdown, or as PDF."""
    user = current_user(request)
    return report_files.exported(_job(request, job_id), format, actor=user, request=request)
