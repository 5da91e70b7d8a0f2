"""Tells people how their trainings ended, and their long work on datasets."""

from uuid import UUID

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User, UserNotice
from accounts.services import notify
from accounts.types import Notice
from training.models import (
    Dataset,
    DatasetWork,
    Kind,
    Status,
    TrainingJob,
    WorkKind,
    Workload,
    WorkStatus,
)

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


# --- Work on datasets -----------------------------------------------------------
def tell_work_end(work: DatasetWork) -> None:
    """In the transaction that ends it: `work` has gone on in the background."""
    notify(work.owner, lambda: notice_of_work(work))


def notice_of_work(work: DatasetWork) -> Notice:
    told = {"work": work.get_kind_display(), "name": work.subject}
    if work.status == WorkStatus.FAILED:
        title = _("%(work)s: “%(name)s” has failed") % told
        return Notice(title, work.error, reverse("datasets:work", args=[work.pk]), "error")
    title = _("%(work)s: “%(name)s” is done") % told
    return Notice(title, _counted(work), path_of(work), "success")


def _counted(work: DatasetWork) -> str:
    counts = Dataset.objects.filter(pk__in=work.results).values_list("records", "rejected")
    records, rejected = (sum(each) for each in zip(*counts, strict=True)) if counts else (0, 0)
    if not records:
        return ""
    text = ngettext("%(count)s record is ready.", "%(count)s records are ready.", records)
    text %= {"count": f"{records:,}"}
    if rejected:
        left_out = ngettext("%(count)s was not used.", "%(count)s were not used.", rejected)
        text = f"{text} {left_out % {'count': f'{rejected:,}'}}"
    return text


def path_of(work: DatasetWork) -> str:
    """Where one wants to be when it has ended well: at what it made."""
    if len(work.results) == 1:
        return reverse("datasets:detail", args=work.results)
    if work.kind == WorkKind.STATISTICS and work.dataset_id:
        return reverse("datasets:statistics", args=[work.dataset_id])
    return reverse("datasets:work", args=[work.pk])


def have_seen(user: User, path: str) -> None:
    """Who has watched it end need not be told."""
    rows = UserNotice.objects.for_user(user).unread()
    rows.filter(path=path).update(read_at=timezone.now())
