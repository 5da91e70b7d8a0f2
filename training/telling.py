"""Tells people how their trainings ended."""

from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.services import notify
from accounts.types import Notice
from training.models import Kind, Status, TrainingJob, Workload

LEVELS = {Status.SUCCESS: "success", Status.FAILED: "error"}


def tell_end(workload_id: UUID) -> None:
    """In the transaction that settles it: the notice is written then, and sent later."""
    if Workload.objects.filter(pk=workload_id, kind=Kind.TRAIN).exists():
        job = TrainingJob.objects.select_related("owner").get(pk=workload_id)
        notify(job.owner, lambda: notice_of(job))


def notice_of(job: TrainingJob) -> Notice:
    titles = {
        Status.SUCCESS: _("Training “%(name)s” is done"),
        Status.FAILED: _("Training “%(name)s” has failed"),
    }
    title = titles.get(Status(job.status), _("Training “%(name)s” was stopped"))
    text = _("Step %(step)s of %(total)s.") % {"step": job.step, "total": job.max_steps}
    if job.reason:
        text = f"{job.get_reason_display()}. {text}"
    path = reverse("training:detail", args=[job.pk])
    return Notice(title % {"name": job.name}, text, path, LEVELS.get(Status(job.status), "info"))
