"""Chats that somebody lets colleagues read.

A share is a snapshot: the leaf that was shown then names the path, and messages never change once
they are answered. What is said later is not seen until the owner brings the share up to date.
"""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models.sessions import ChatSession, Message


class ChatShareQuerySet(models.QuerySet["ChatShare"]):
    def for_user(self, user: User) -> Self:
        """Those that `user` made."""
        return self.filter(owner=user)

    def readable(self) -> Self:
        """By those who may, as long as there is something to read."""
        return self.filter(revoked_at=None, session__deleted_at=None, owner__is_active=True)

    def readable_by(self, user: User) -> Self:
        """With the link: what is for everybody, and what `user` is named for."""
        return self.readable().filter(Q(is_for_all=True) | Q(owner=user) | _names(user))

    def naming(self, user: User) -> Self:
        """What others share with `user` by name."""
        return self.readable().filter(_names(user), is_for_all=False)


def _names(user: User) -> Exists:
    rows = ChatShare.readers.through.objects
    return Exists(rows.filter(chatshare=OuterRef("pk"), user=user))


class ChatShare(models.Model):
    """`id` is the link, which nobody guesses. `until` is the leaf of the path that is seen."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    session = models.ForeignKey(ChatSession, models.CASCADE, related_name="shares")
    # Without a constraint in the database: a chat is deleted with its messages in any order.
    until = models.ForeignKey(
        Message, models.SET_NULL, null=True, related_name="+", db_constraint=False
    )
    # Said apart from the readers: where the last of them is gone, nobody else may read it.
    is_for_all = models.BooleanField(_("for everybody with the link"), default=True)
    readers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    has_system_prompt = models.BooleanField(_("show the system prompt"), default=False)
    has_thoughts = models.BooleanField(_("show the thoughts"), default=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True)

    objects = ChatShareQuerySet.as_manager()

    class Meta:
        verbose_name = _("shared chat")
        verbose_name_plural = _("shared chats")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return str(self.pk)
