"""Files that go with a question.

MEDIA_ROOT/attachments/<hex>/content   what a model is sent: JPEG or PNG, or text as UTF-8
MEDIA_ROOT/attachments/<hex>/small     of a picture: a thumbnail for pages, WebP
"""

import shutil
import uuid
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.sessions import Message


class AttachmentKind(models.TextChoices):
    IMAGE = "image", _("Image")
    TEXT = "text", _("Text")


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def for_user(self, user: User) -> Self:
        """Those of deleted chats are as gone as these."""
        return self.filter(owner=user, message__session__deleted_at=None)

    def readable_by(self, user: User) -> Self:
        """Their own, and those in comparisons that others share with the company."""
        shared = Q(message__session__column__comparison__is_shared=True)
        return self.filter(Q(owner=user) | shared, message__session__deleted_at=None)

    def unsent(self) -> Self:
        """Chosen for a question that is not asked yet."""
        return self.filter(message=None)


class Attachment(models.Model):
    """`message` None: not sent yet. `width` and `height` are those of the kept picture."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.ForeignKey(Message, models.CASCADE, null=True, related_name="attachments")
    position = models.PositiveSmallIntegerField(default=0)
    kind = models.CharField(max_length=5, choices=AttachmentKind.choices)
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=40)
    size_bytes = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["message_id", "position", "created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_image(self) -> bool:
        return self.kind == AttachmentKind.IMAGE

    @property
    def folder(self) -> Path:
        return Path(settings.MEDIA_ROOT) / "attachments" / self.pk.hex

    @property
    def content(self) -> Path:
        return self.folder / "content"

    @property
    def small(self) -> Path:
        return self.folder / "small"


@receiver(post_delete, sender=Attachment)
def _remove_files(sender: type[Attachment], instance: Attachment, **kwargs: Any) -> None:
    """Also when it goes with its chat, or with its owner."""
    folder = instance.folder
    transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))
