"""Folders: a chat is in one of its owner's, or in none."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User

NAME_CHARS = 80


class ChatFolderQuerySet(models.QuerySet["ChatFolder"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)


class ChatFolder(models.Model):
    """A name that chats are put under. Without it they stay, in no folder."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="chat_folders")
    name = models.CharField(_("name"), max_length=NAME_CHARS)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ChatFolderQuerySet.as_manager()

    class Meta:
        verbose_name = _("chat folder")
        verbose_name_plural = _("chat folders")
        ordering = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="chat_folder_named_once")
        ]

    def __str__(self) -> str:
        return self.name
