"""What a watching browser is told, and how watchers are nudged. Documented in docs/events.md.

type       further fields
job        job (as the API gives it), actions, deployment, html: {part: markup} that changed
metrics    items: [{step, epoch, loss?, ...}], next
hardware   items: [{at, step, cpu_percent, rss_bytes, gpus}], next
log        first (number of the first line), lines, next
notes      items: [{id, kind, step, at, title, text, advice, actions}], next, html?
samples    items: [{step, position, prompt, output}], next, html?
"""

from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from training import forecasts, pausing, scheduling, services
from training.advice import failure_of
from training.doctor_texts import remark_of
from training.models import Note, Reason, Status, TrainingJob
from training.models.workloads import ACTIVE
from training.report_story import resumes_of
from training.sample_views import sample_rows
from training.schemas import JobOut
from training.streams import Slice

# The parts of the job page that change while one looks at it, and the partials they are made of.
PARTS = ("head", "progress", "outcome", "side")
PAUSED_BY: dict[str, StrOrPromise] = {
    Reason.TIME_LIMIT: _(
        "Paused when the maximum duration was reached. Everything is saved: resume it for another "
        "stretch as long."
    ),
    Reason.IDLE: _("Paused because its GPUs had nothing to do. Everything is saved."),
}


def topic_of(workload_id: object) -> str:
    """What `training.shim.nudging` sends nudges about."""
    return f"training.{workload_id}"


def page_context(job: TrainingJob) -> dict[str, Any]:
    """What the parts are made from; page and socket use the same."""
    place = scheduling.place_of(job)
    return {
        "job": job,
        "actions": services.allowed_actions(job),
        "failure": failure_of(job) if job.status == Status.FAILED else None,
        "version": getattr(job, "version", None),
        "position": place.position if place else None,
        "place": place,
        "paused_by": PAUSED_BY.get(job.reason, "") if job.status == Status.PAUSED else "",
        "cannot_pause": pausing.why_not(job) if job.status in ACTIVE else "",
        "transitions": list(job.transitions.all()),
        "resumes": resumes_of(job),
        "comparison": forecasts.comparison_of(job),
        "took": forecasts.sentence_of(job),
    }


def notes_context(job: TrainingJob) -> dict[str, Any]:
    """The doctor's remarks, the newest first."""
    remarks = [remark_of(note) for note in job.notes.order_by("-pk")]
    return {"job": job, "remarks": remarks, "actions": services.allowed_actions(job)}


def samples_context(job: TrainingJob) -> dict[str, Any]:
    return {"job": job, "samples": sample_rows(job.pk)}


def parts_of(job: TrainingJob) -> dict[str, str]:
    context = page_context(job)
    return {
        part: render_to_string(f"training/job_parts.html#{part}", context).strip() for part in PARTS
    }


def job_event(job: TrainingJob) -> dict[str, Any]:
    """Without the markup."""
    return {
        "type": "job",
        "job": JobOut.from_orm(job).model_dump(mode="json"),
        "actions": list(services.allowed_actions(job)),
        "deployment": deployment_state(job),
    }


def deployment_state(job: TrainingJob) -> str:
    version = getattr(job, "version", None)
    deployment = version.deployment if version is not None else None
    return deployment.serving_state if deployment is not None else "none"


def points_event(kind: str, points: Slice) -> dict[str, Any]:
    return {"type": kind, "items": points.items, "next": points.next}


def notes_event(job: TrainingJob, notes: list[Note], *, with_html: bool) -> dict[str, Any]:
    items = [remark_of(note).as_json() for note in notes]
    event: dict[str, Any] = {"type": "notes", "items": items, "next": notes[-1].pk}
    return event | (notes_html(job) if with_html else {})


def notes_html(job: TrainingJob) -> dict[str, Any]:
    markup = render_to_string("training/job_parts.html#notes", notes_context(job)).strip()
    return {"html": {"notes": markup}}


def samples_event(job: TrainingJob, points: Slice, *, with_html: bool) -> dict[str, Any]:
    event = points_event("samples", points)
    if with_html:
        markup = render_to_string("training/job_parts.html#samples", samples_context(job)).strip()
        event["html"] = {"samples": markup}
    return event


def log_event(lines: Slice) -> dict[str, Any]:
    first = lines.next - len(lines.items)
    return {"type": "log", "first": first, "lines": lines.items, "next": lines.next}
