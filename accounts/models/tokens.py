"""What proves who is calling: API sessions with their refresh tokens, and personal keys.

Only SHA-256 digests are stored: a copy of the database holds nothing that works as a token.
"""

import hashlib
import secrets
import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models.limits import Limited

if TYPE_CHECKING:
    from accounts.models.user import User

KEY_PREFIX = "llmp"
# Parallel tabs present the same token within moments of each other: that is not theft.
GRACE = timedelta(seconds=10)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class AuthSession(models.Model):
    """One sign-in through the API: the family of refresh tokens that descend from it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="auth_sessions")
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    revoke_reason = models.CharField(_("reason"), max_length=40, blank=True)
    address = models.CharField(_("address"), max_length=45, blank=True)
    agent = models.CharField(_("client"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("API session")
        verbose_name_plural = _("API sessions")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()

    def revoke(self, reason: str) -> None:
        AuthSession.objects.filter(pk=self.pk, revoked_at=None).update(
            revoked_at=timezone.now(), revoke_reason=reason
        )


class RefreshToken(models.Model):
    """An opaque single-use token.

    `successor_secret` is encrypted, serves for the grace time and is erased within the hour.
    """

    encrypted: ClassVar = ("successor_secret",)

    session = models.ForeignKey(AuthSession, models.CASCADE, related_name="refresh_tokens")
    sha256 = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    successor_secret = models.TextField(blank=True)

    class Meta:
        verbose_name = _("refresh token")
        verbose_name_plural = _("refresh tokens")

    def __str__(self) -> str:
        return f"{self.sha256[:8]}…"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def for_user(self, user: object) -> Self:
        return self.filter(user=user)

    def live(self) -> Self:
        now = timezone.now()
        return self.filter(revoked_at=None, user__is_active=True).filter(
            models.Q(expires_at=None) | models.Q(expires_at__gt=now)
        )


class ApiKey(Limited):
    """A personal key `llmp_<prefix>.<secret>`; the secret is shown once and stored hashed."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True)
    sha256 = models.CharField(max_length=64)
    allowed_models = models.JSONField(
        _("models"), default=list, blank=True, help_text=_("Empty: every model the owner may use.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("personal key")
        verbose_name_plural = _("personal keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({KEY_PREFIX}_{self.prefix}…)"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > timezone.now()
        )

    @property
    def is_restricted(self) -> bool:
        """It may do less than its owner."""
        return bool(self.allowed_models) or self.has_limits

    @classmethod
    def issue(
        cls,
        *,
        user: "User",
        name: str,
        expires_at: datetime | None = None,
        **limits: object,
    ) -> tuple["ApiKey", str]:
        """A saved key and its full text, which nobody can read again."""
        prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        key = cls.objects.create(
            user=user,
            name=name,
            prefix=prefix,
            sha256=digest(secret),
            expires_at=expires_at,
            **limits,
        )
        return key, f"{KEY_PREFIX}_{prefix}.{secret}"
