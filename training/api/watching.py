"""API: `training/jobs/{id}/…` for watching: log, curves, samples, the doctor's notes."""

from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.http import content_disposition_header
from ninja import Query, Router
from ninja import Schema as NinjaSchema
from pydantic import Field

from accounts.access import current_user, owned_or_404
from training import comparing, curve_blocks, doctor_texts, log_search, streams
from training.models import TrainingJob
from training.previews import file_name
from training.schemas import (
    ComparisonOut,
    CurvesOut,
    LogMatchesOut,
    LogOut,
    NotesOut,
    PointsOut,
)

watching_router = Router(tags=["Training"])
HARDWARE_POINTS = 600
DOWNLOADED_LINES = 5000


def _job(request: HttpRequest, job_id: str) -> TrainingJob:
    return owned_or_404(TrainingJob.objects.for_user(current_user(request)), pk=job_id)


class Cursor(NinjaSchema):
    """`after` is the `next` of the answer before; 0 at first."""

    after: int = Field(0, ge=0, le=2**53)
    limit: int = Field(1000, ge=1, le=5000)


class LogSearch(NinjaSchema):
    q: str = Field("", max_length=200, description="Words, whatever their case.")
    level: Literal["", "error", "warning", "info"] = ""
    after: int = Field(0, ge=0, le=2**53)
    limit: int = Field(200, ge=1, le=1000)


class CurveRange(NinjaSchema):
    first: int = Field(0, ge=0, le=2**31, description="The first step.")
    last: int | None = Field(None, ge=0, le=2**31, description="The last step.")
    points: int = Field(600, ge=10, le=5000, description="About so many points each, at most.")


@watching_router.get("jobs/{job_id}/logs", response=LogOut)
def job_logs(request: HttpRequest, job_id: str, cursor: Query[Cursor]) -> Any:
    """Lines from number `after` on; `count` is how many there are."""
    job = _job(request, job_id)
    found = streams.log_after(job.pk, cursor.after, cursor.limit)
    return {"lines": found.items, "next": found.next, "count": streams.log_length(job.pk)}


@watching_router.get("jobs/{job_id}/logs/search", response=LogMatchesOut)
def search_job_logs(request: HttpRequest, job_id: str, wanted: Query[LogSearch]) -> Any:
    """Matching lines; `next` is the line to go on from, null at the end. A long log is searched a
    piece at a time: there may be a `next` although fewer than `limit` were found."""
    job = _job(request, job_id)
    found = log_search.search(
        job.pk, words=wanted.q, level=wanted.level, after=wanted.after, limit=wanted.limit
    )
    return {"items": found.items, "next": found.next}


@watching_router.get("jobs/{job_id}/logs/download")
def download_job_logs(request: HttpRequest, job_id: str) -> HttpResponse:
    """The whole log as text, as far as it is kept in the database."""
    job = _job(request, job_id)
    answer = StreamingHttpResponse(_text(job.pk), content_type="text/plain; charset=utf-8")
    header = content_disposition_header(as_attachment=True, filename=f"{file_name(job.name)}.log")
    answer.headers["Content-Disposition"] = header or "attachment"
    return answer  # type: ignore[return-value]


async def _text(job_id: UUID) -> AsyncIterator[bytes]:
    """Under ASGI a plain iterator would be gathered in memory first."""
    line, read = 0, sync_to_async(streams.log_after)
    while (found := await read(job_id, line, DOWNLOADED_LINES)).items:
        line = found.next
        yield ("\n".join(found.items) + "\n").encode()


@watching_router.get("jobs/{job_id}/metrics", response=PointsOut)
def job_metrics(request: HttpRequest, job_id: str, cursor: Query[Cursor]) -> Any:
    found = streams.metrics_after(_job(request, job_id).pk, cursor.after, cursor.limit)
    return {"items": found.items, "next": found.next}


@watching_router.get("jobs/{job_id}/hardware", response=PointsOut)
def job_hardware(request: HttpRequest, job_id: str, cursor: Query[Cursor]) -> Any:
    found = streams.hardware_after(_job(request, job_id).pk, cursor.after, cursor.limit)
    return {"items": found.items, "next": found.next}


@watching_router.get("jobs/{job_id}/curves", response=CurvesOut)
def job_curves(request: HttpRequest, job_id: str, wanted: Query[CurveRange]) -> Any:
    """The curves between two steps with few points, highest and lowest values kept: what charts
    are drawn from. `next` has the cursors of `metrics` and `hardware` to go on from."""
    job = _job(request, job_id)
    attempt = streams.last_attempt(job.pk)  # before its points: these are of it, or newer
    series, cursor = curve_blocks.overview(
        job.pk, points=wanted.points, first=wanted.first, last=wanted.last
    )
    hardware, hardware_cursor = curve_blocks.hardware_overview(job.pk, HARDWARE_POINTS)
    return {
        "series": series,
        "hardware": hardware,
        "next": {"metrics": cursor, "hardware": hardware_cursor},
        "attempt": attempt,
    }


@watching_router.get("jobs/{job_id}/samples", response=PointsOut)
def job_samples(request: HttpRequest, job_id: str, cursor: Query[Cursor]) -> Any:
    """What the model in training answered to the job's prompts, step by step."""
    found = streams.samples_after(_job(request, job_id).pk, cursor.after, cursor.limit)
    return {"items": found.items, "next": found.next}


@watching_router.get("jobs/{job_id}/notes", response=NotesOut)
def job_notes(request: HttpRequest, job_id: str, after: int = 0) -> Any:
    """What the training doctor remarked, with an explanation in the caller's language."""
    notes = streams.notes_after(_job(request, job_id).pk, max(0, min(after, 2**53)))
    items = [doctor_texts.remark_of(note).as_json() for note in notes]
    return {"items": items, "next": notes[-1].pk if notes else after}


class Compared(NinjaSchema):
    jobs: list[UUID] = Field(..., min_length=1, max_length=comparing.JOBS_MAX)
    points: int = Field(400, ge=10, le=2000)


@watching_router.get("compare", response=ComparisonOut)
def compare_jobs(request: HttpRequest, wanted: Query[Compared]) -> Any:
    """Several runs: the parameters in which they differ, their results, and their curves."""
    found = comparing.compare(user=current_user(request), job_ids=wanted.jobs)
    return found.as_json(points=wanted.points)
