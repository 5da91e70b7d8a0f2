"""Tells people that their batch comparison is done, or cannot go on."""

from uuid import UUID

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.services import notify
from accounts.types import Notice
from chat.models import Batch, BatchStatus
from providers.errors import kind_of


def tell(batch_id: UUID) -> None:
    """In the transaction that settles it: the notice is written then, and sent later."""
    batch = Batch.objects.counted().select_related("owner").get(pk=batch_id)
    notify(batch.owner, lambda: notice_of(batch))


def notice_of(batch: Batch) -> Notice:
    """`batch` is `counted`."""
    path = reverse("batches:detail", args=[batch.pk])
    total, failed = batch.total, batch.failed  # type: ignore[attr-defined]
    if batch.status == BatchStatus.PAUSED:
        title = _("Comparison “%(name)s” is paused")
        kind = kind_of(batch.reason)
        return Notice(title % {"name": batch.name}, str(kind.advice) if kind else "", path, "error")
    title = _("Comparison “%(name)s” is done")
    text = _("%(answers)s answers, %(failed)s without one.")
    text %= {"answers": total - failed, "failed": failed}
    return Notice(title % {"name": batch.name}, text, path, "error" if failed else "success")
