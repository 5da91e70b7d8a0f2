"""Access tokens (15-minute JWT) and refresh tokens (opaque, single use, one family a sign-in).

simplejwt signs and checks the access token only. Its own refresh rotation is not single-use under
concurrency, so refresh tokens are rows here and the rotation is one UPDATE.
"""

import secrets
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.models import AuthSession, RefreshToken, User
from accounts.models.tokens import GRACE, digest
from accounts.services import audit, client_address
from llmplatform.encryption import decrypt, encrypt


class RefreshRefused(Exception):
    """The refresh token is unknown, expired, revoked or was used before."""


@dataclass(frozen=True)
class TokenPair:
    user: User
    access: str
    refresh: str


def _access(session: AuthSession, user: User) -> str:
    token = AccessToken()
    token["sub"] = str(user.pk)
    token["sid"] = str(session.pk)
    return str(token)


def _issue(session: AuthSession) -> tuple[RefreshToken, str]:
    secret = secrets.token_urlsafe(32)
    expires_at = min(timezone.now() + settings.REFRESH_TOKEN_LIFETIME, session.expires_at)
    row = RefreshToken.objects.create(session=session, sha256=digest(secret), expires_at=expires_at)
    return row, secret


def open_session(*, user: User, request: HttpRequest | None) -> TokenPair:
    """Sign `user` in through the API."""
    with transaction.atomic():
        session = AuthSession.objects.create(
            user=user,
            expires_at=timezone.now() + settings.AUTH_SESSION_LIFETIME,
            address=client_address(request),
            agent=(request.headers.get("User-Agent", "") if request else "")[:200],
        )
        _row, secret = _issue(session)
        audit(actor=user, action="session.start", target=session, request=request)
    return TokenPair(user, _access(session, user), secret)


def rotate(*, secret: str, request: HttpRequest | None = None) -> TokenPair:
    """A new pair for a refresh token, once. Reuse after the grace time revokes the family.

    Raises RefreshRefused.
    """
    now = timezone.now()
    row = RefreshToken.objects.select_related("session__user").filter(sha256=digest(secret)).first()
    if row is None or not row.session.is_live or not row.session.user.is_active:
        raise RefreshRefused
    session, user = row.session, row.session.user
    with transaction.atomic():
        # The successor is written with the claim, so a parallel caller sees both or neither.
        won = RefreshToken.objects.filter(pk=row.pk, used_at=None, expires_at__gt=now).update(
            used_at=now
        )
        if won:
            _successor, fresh = _issue(session)
            RefreshToken.objects.filter(pk=row.pk).update(successor_secret=encrypt(fresh))
            return TokenPair(user, _access(session, user), fresh)
    row.refresh_from_db()
    if row.used_at and now - row.used_at <= GRACE and row.successor_secret:
        return TokenPair(user, _access(session, user), decrypt(row.successor_secret))
    if row.used_at:
        session.revoke("reuse of a rotated token")
        audit(actor=user, action="session.reuse", target=session, request=request)
    raise RefreshRefused


def close_session(*, secret: str, request: HttpRequest | None = None) -> None:
    row = RefreshToken.objects.select_related("session__user").filter(sha256=digest(secret)).first()
    if row is not None and row.session.is_live:
        row.session.revoke("signed out")
        audit(actor=row.session.user, action="session.end", target=row.session, request=request)


def user_of_access_token(raw: str) -> User | None:
    """The active user of a live session that `raw` speaks for, or None."""
    try:
        token = AccessToken(cast(Any, raw))  # simplejwt takes the text; its stubs disagree
        session = AuthSession.objects.select_related("user").get(pk=str(token["sid"]))
    except (TokenError, KeyError, ValueError, AuthSession.DoesNotExist):
        return None
    if not session.is_live or not session.user.is_active or str(session.user_id) != token["sub"]:
        return None
    return session.user
