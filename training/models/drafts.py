"""Files that wait for somebody to say which column is which."""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User

KEPT = timedelta(days=7)


class DatasetDraftQuerySet(models.QuerySet["DatasetDraft"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def idle(self) -> Self:
        """Those that are not being imported."""
        from training.models.dataset_work import OPEN

        return self.exclude(work__status__in=OPEN)

    def stale(self) -> Self:
        return self.idle().filter(created_at__lt=timezone.now() - KEPT)


class DatasetDraft(models.Model):
    """An uploaded file as it came, until it is imported or a week has passed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="dataset_drafts",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    file_name = models.CharField(_("file name"), max_length=200)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    path = models.CharField(max_length=255, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = DatasetDraftQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset draft")
        verbose_name_plural = _("dataset drafts")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name or self.file_name

    @property
    def file(self) -> Path:
        return Path(settings.MEDIA_ROOT) / self.path


@receiver(post_delete, sender=DatasetDraft)
def _remove_file(sender: type[DatasetDraft], instance: DatasetDraft, **kwargs: Any) -> None:
    """Also when it goes with its owner."""
    transaction.on_commit(lambda: instance.file.unlink(missing_ok=True))
