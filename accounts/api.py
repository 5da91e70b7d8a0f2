"""API: `auth/*`, `keys` and `audit`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts import services, tokens
from accounts.access import current_user, key_of, owned_or_404
from accounts.models import ApiKey, AuditEvent, User
from accounts.schemas import (
    AuditOut,
    Credentials,
    KeyIn,
    KeyOut,
    KeyPatch,
    NewKeyOut,
    PasswordChange,
    ProfileOut,
    TokenOut,
    UserOut,
)
from accounts.throttle import TooManyAttempts
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate

REFRESH_COOKIE = "refresh_token"
REFRESH_PATH = "/api/v1/auth/"

auth_router = Router(tags=["Accounts"])
keys_router = Router(tags=["Keys"])
audit_router = Router(tags=["Audit"])


def _with_cookie(response: HttpResponse, pair: tokens.TokenPair) -> dict[str, Any]:
    response.set_cookie(
        REFRESH_COOKIE,
        pair.refresh,
        max_age=int(settings.REFRESH_TOKEN_LIFETIME.total_seconds()),
        path=REFRESH_PATH,
        httponly=True,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Strict",
    )
    return {
        "access_token": pair.access,
        "expires_in": int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        "user": pair.user,
    }


def _refuse_foreign_origin(request: HttpRequest) -> None:
    """The refresh cookie alone acts here, so a page elsewhere must not be able to send it."""
    origin = request.headers.get("Origin", "")
    same = urlsplit(origin).netloc == request.get_host()
    if origin and not same and origin not in settings.CSRF_TRUSTED_ORIGINS:
        raise ApiError(403, "origin_refused", _("This request came from another site."))
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ApiError(403, "origin_refused", _("This request came from another site."))


@contextmanager
def _throttled() -> Iterator[None]:
    try:
        yield
    except TooManyAttempts as error:
        raise ApiError(
            429,
            "too_many_attempts",
            _("Too many attempts. Try again later."),
            retry_after_s=error.retry_after_s,
        ) from error


@auth_router.post("register", auth=None, response={201: UserOut})
def register(request: HttpRequest, body: Credentials) -> Any:
    try:
        with _throttled():
            user = services.register(email=body.email, password=body.password, request=request)
    except services.RegistrationClosed as error:
        raise ApiError(403, "registration_closed", _("Registration is closed.")) from error
    return 201, user


@auth_router.post("login", auth=None, response=TokenOut)
def login(request: HttpRequest, response: HttpResponse, body: Credentials) -> Any:
    with _throttled():
        user = services.check_password(email=body.email, password=body.password, request=request)
    if user is None:
        raise ApiError(401, "wrong_credentials", _("The e-mail address or password is wrong."))
    return _with_cookie(response, tokens.open_session(user=user, request=request))


@auth_router.post("refresh", auth=None, response=TokenOut)
def refresh(request: HttpRequest, response: HttpResponse) -> Any:
    """A new pair for the `refresh_token` cookie, which works once."""
    _refuse_foreign_origin(request)
    try:
        pair = tokens.rotate(secret=request.COOKIES.get(REFRESH_COOKIE, ""), request=request)
    except tokens.RefreshRefused as error:
        raise ApiError(401, "refresh_refused", _("Sign in again.")) from error
    return _with_cookie(response, pair)


@auth_router.post("logout", auth=None, response={204: None})
def logout(request: HttpRequest, response: HttpResponse) -> Any:
    _refuse_foreign_origin(request)
    tokens.close_session(secret=request.COOKIES.get(REFRESH_COOKIE, ""), request=request)
    response.delete_cookie(REFRESH_COOKIE, path=REFRESH_PATH, samesite="Strict")
    return 204, None


@auth_router.get("me", response=ProfileOut)
def me(request: HttpRequest) -> User:
    return current_user(request)


@auth_router.post("password", response={204: None})
def password(request: HttpRequest, body: PasswordChange) -> Any:
    """Ends every session and token of the account, this one included."""
    with _throttled():
        services.change_password(
            user=current_user(request),
            old_password=body.old_password,
            new_password=body.new_password,
            request=request,
        )
    return 204, None


@keys_router.get("", response=Page[KeyOut])
def list_keys(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(ApiKey.objects.for_user(current_user(request)).filter(revoked_at=None), paging)


def _check_expiry(request: HttpRequest, expires_at: datetime | None) -> None:
    """A key that ends must not live on in another one."""
    used = key_of(request)
    if used is None or used.expires_at is None:
        return
    if expires_at is not None and timezone.is_naive(expires_at):
        expires_at = timezone.make_aware(expires_at)
    if expires_at is None or expires_at > used.expires_at:
        text = _("A key that expires makes no key that lasts longer. Give an earlier expiry.")
        raise ApiError(403, "key_limited", text)


@contextmanager
def _as_named_here() -> Iterator[None]:
    """The field is `models` in the API."""
    try:
        yield
    except ValidationError as error:
        fields = error.message_dict
        if "allowed_models" in fields:
            fields["models"] = fields.pop("allowed_models")
        raise ValidationError(fields) from error


@keys_router.post("", response={201: NewKeyOut})
def create_key(request: HttpRequest, body: KeyIn) -> Any:
    """The answer holds the key; nobody can read it again."""
    _check_expiry(request, body.expires_at)
    limits = body.model_dump()
    with _as_named_here():
        key, text = services.create_key(
            user=current_user(request),
            request=request,
            allowed_models=limits.pop("models"),
            **limits,
        )
    key.key = text  # type: ignore[attr-defined]  # only on this instance, only for this answer
    return 201, key


@keys_router.patch("{key_id}", response=KeyOut)
def change_key(request: HttpRequest, key_id: int, body: KeyPatch) -> ApiKey:
    """Only what the body names; null takes a limit away."""
    user = current_user(request)
    key = owned_or_404(ApiKey.objects.for_user(user).filter(revoked_at=None), pk=key_id)
    changes = body.model_dump(exclude_unset=True)
    for name in ("name", "models"):
        if changes.get(name, ...) is None:
            del changes[name]
    if "expires_at" in changes:
        _check_expiry(request, changes["expires_at"])
    if "models" in changes:
        changes["allowed_models"] = changes.pop("models")
    with _as_named_here():
        return services.change_key(key=key, actor=user, request=request, **changes)


@keys_router.delete("{key_id}", response={204: None})
def revoke_key(request: HttpRequest, key_id: int) -> Any:
    user = current_user(request)
    key = owned_or_404(ApiKey.objects.for_user(user).filter(revoked_at=None), pk=key_id)
    services.revoke_key(key=key, actor=user, request=request)
    return 204, None


@audit_router.get("", response=Page[AuditOut])
def list_audit(request: HttpRequest, paging: Query[Paging], action: str = "") -> Any:
    """Administrators only; newest first."""
    if not current_user(request).is_admin:
        raise ApiError(403, "forbidden", _("Only administrators can do this."))
    rows = AuditEvent.objects.all()
    if action:
        rows = rows.filter(action__startswith=action)
    return paginate(rows, paging, _shown)


def _shown(event: AuditEvent) -> dict[str, Any]:
    return {
        "id": event.pk,
        "at": event.at,
        "actor": event.actor_label,
        "action": event.action,
        "target_type": event.target_type,
        "target_id": event.target_id,
        "target": event.target_label,
        "address": event.address,
        "before": event.before,
        "after": event.after,
    }
