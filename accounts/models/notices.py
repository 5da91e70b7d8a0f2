"""How people are told of what ends while they are elsewhere."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.user import User
from llmplatform.encryption import decrypt, encrypt


class ChannelKind(models.TextChoices):
    EMAIL = "email", _("E-mail")
    WEBHOOK = "webhook", _("Webhook")
    DINGTALK = "dingtalk", _("DingTalk robot")
    LARK = "lark", _("Lark (Feishu) robot")
    WECOM = "wecom", _("WeCom robot")


class NoticeQuerySet(models.QuerySet["UserNotice"]):
    def for_user(self, user: User) -> Self:
        return self.filter(user=user)

    def unread(self) -> Self:
        return self.filter(read_at=None)


class UserNotice(models.Model):
    """What a person is told on the pages, in the language they had then."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    title = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    # Of the page that it is about.
    path = models.CharField(max_length=300, blank=True)
    level = models.CharField(max_length=10, default="info")
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)

    objects = NoticeQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["user", "read_at"], name="unread_notices")]

    def __str__(self) -> str:
        return self.title


class ChannelQuerySet(models.QuerySet["NoticeChannel"]):
    def for_user(self, user: User) -> Self:
        return self.filter(user=user)


class NoticeChannel(models.Model):
    """Address and secret are stored encrypted: a robot's address is its key."""

    encrypted: ClassVar = ("credential", "signing_credential")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="notice_channels"
    )
    kind = models.CharField(_("kind"), max_length=10, choices=ChannelKind.choices)
    name = models.CharField(_("name"), max_length=100)
    credential = models.TextField(blank=True, editable=False)
    signing_credential = models.TextField(blank=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ChannelQuerySet.as_manager()

    class Meta:
        verbose_name = _("notice channel")
        verbose_name_plural = _("notice channels")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def address(self) -> str:
        return decrypt(self.credential)

    @property
    def secret(self) -> str:
        return decrypt(self.signing_credential)

    def keep(self, *, address: str, secret: str) -> None:
        self.credential = encrypt(address)
        self.signing_credential = encrypt(secret)


class Delivery(models.Model):
    """One notice on its way through one channel. `notice`: {"title", "text", "path", "level"}."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    channel = models.ForeignKey(NoticeChannel, models.CASCADE, related_name="deliveries")
    notice: models.JSONField[Any] = models.JSONField(default=dict)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now, db_index=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.channel_id}: {self.status}"
