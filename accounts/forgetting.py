"""Tokens and sessions that serve nobody any more."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import AuthSession, RefreshToken
from accounts.models.tokens import GRACE

# After their end: one that comes back late is still known.
KEPT_AFTER_END = timedelta(days=7)


def forget_old() -> None:
    """Hourly: no successor outlives the grace time in a readable form, no row its use."""
    now = timezone.now()
    RefreshToken.objects.filter(used_at__lt=now - GRACE).exclude(successor_secret="").update(
        successor_secret=""
    )
    ended = now - KEPT_AFTER_END
    RefreshToken.objects.filter(expires_at__lt=ended).delete()
    AuthSession.objects.filter(Q(expires_at__lt=ended) | Q(revoked_at__lt=ended)).delete()
