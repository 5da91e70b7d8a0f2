"""Files of chats from elsewhere: read first, so that a person sees what will come, then written.

    queued -> running -> ready ──start──> queued -> running -> done        (failed: either way)

MEDIA_ROOT/chat-imports/<hex>   the file, until it is written or given up
"""

import uuid
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User


class ImportStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    READY = "ready", _("Ready")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class ChatImportQuerySet(models.QuerySet["ChatImport"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)


class ChatImport(models.Model):
    """`is_started`: a person has seen what will come and wants it. `counts`, `listed` and `skipped`
    say what was found, or once it is done what became of it: numbers by name, the first chats, and
    the first that were not taken with the code of the reason. A running attempt changes the row
    only while `attempt` is its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    status = models.CharField(
        max_length=10, choices=ImportStatus.choices, default=ImportStatus.QUEUED, db_index=True
    )
    is_started = models.BooleanField(default=False)
    done_bytes = models.PositiveBigIntegerField(default=0)
    total_bytes = models.PositiveBigIntegerField(default=0)
    counts: models.JSONField[Any] = models.JSONField(default=dict)
    listed: models.JSONField[Any] = models.JSONField(default=list)
    skipped: models.JSONField[Any] = models.JSONField(default=list)
    error_code = models.CharField(max_length=40, blank=True)
    error_values: models.JSONField[Any] = models.JSONField(default=dict)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    objects = ChatImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat import")
        verbose_name_plural = _("chat imports")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file(self) -> Path:
        return Path(settings.MEDIA_ROOT) / "chat-imports" / self.pk.hex

    @property
    def is_open(self) -> bool:
        return self.status in (ImportStatus.QUEUED, ImportStatus.RUNNING)

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done_bytes // self.total_bytes) if self.total_bytes else 0

    @property
    def wanted(self) -> int:
        """Chats that would come, or get more messages."""
        return int(self.counts.get("new", 0)) + int(self.counts.get("grown", 0))


@receiver(post_delete, sender=ChatImport)
def _remove_file(sender: type[ChatImport], instance: ChatImport, **kwargs: Any) -> None:
    """Also when it goes with its owner."""
    transaction.on_commit(lambda: instance.file.unlink(missing_ok=True))
