"""Who may call what: the one module other apps import for access decisions."""

import functools
import hmac
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.security import HttpBearer, SessionAuth

from accounts.models import ApiKey, User
from accounts.models.tokens import KEY_PREFIX, digest
from accounts.page_sessions import live_page_sessions
from accounts.tokens import user_of_access_token
from llmplatform.errors import ApiError

SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
M = TypeVar("M", bound=Model)
View = Callable[..., HttpResponse]

# `last_used_at` is for people: a write a minute is enough.
LAST_USED_RESOLUTION = timedelta(minutes=1)

__all__ = [
    "Caller",
    "admin_required",
    "api_auth",
    "authenticate_token",
    "current_user",
    "find_key",
    "key_of",
    "login_not_required",
    "owned_or_404",
    "signed_in",
    "socket_caller",
    "socket_user",
    "user_of_page_session",
]


def current_user(request: HttpRequest) -> User:
    """The signed-in user of a page or API request that has passed authentication."""
    user = getattr(request, "auth", None)
    if not isinstance(user, User):
        user = request.user
    assert isinstance(user, User)
    return user


def owned_or_404(rows: QuerySet[M], **lookup: Any) -> M:
    """The row, or 404 both when it is somebody else's and when it does not exist."""
    try:
        return rows.get(**lookup)
    except (ObjectDoesNotExist, ValueError, OverflowError, ValidationError) as error:
        raise Http404 from error


def admin_required(view: View) -> View:
    @functools.wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not current_user(request).is_admin:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


def find_key(raw: str) -> ApiKey | None:
    """The live personal key with this text, or None; comparison takes constant time."""
    prefix, _dot, secret = raw.removeprefix(f"{KEY_PREFIX}_").partition(".")
    if not secret or len(raw) > 200 or not prefix.isascii() or not prefix.isalnum():
        return None
    key = ApiKey.objects.live().select_related("user").filter(prefix=prefix).first()
    if key is None or not hmac.compare_digest(key.sha256, digest(secret)):
        return None
    return key


def _use_key(raw: str) -> ApiKey | None:
    key = find_key(raw)
    if key is None:
        return None
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_RESOLUTION:
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)
    return key


def _is_key(raw: str) -> bool:
    return raw.startswith(f"{KEY_PREFIX}_")


def authenticate_token(raw: str) -> User | None:
    """The active user of a personal key or an access token."""
    if not _is_key(raw):
        return user_of_access_token(raw)
    key = _use_key(raw)
    return key.user if key is not None else None


def key_of(request: HttpRequest) -> ApiKey | None:
    """The personal key that an API request was made with, if it was one."""
    return getattr(request, "api_key", None)


class Caller(NamedTuple):
    """What a socket was opened with: an access token, or a page session's key."""

    token: str
    session_key: str


def socket_caller(scope: Mapping[str, Any]) -> Caller:
    """`?token=<access token>` where there is one, else the page session."""
    token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
    return Caller(token, "" if token else scope["session"].session_key or "")


def socket_user(scope: Mapping[str, Any]) -> User | None:
    """Who a socket speaks for, checked against the database now: it may have ended since."""
    caller = socket_caller(scope)
    if caller.token:
        return user_of_access_token(caller.token)
    return user_of_page_session(caller.session_key)


def signed_in(callers: Iterable[Caller]) -> set[Caller]:
    """Those of many that may still speak for somebody, as `socket_user` would say of each."""
    wanted = set(callers)
    live = live_page_sessions({caller.session_key for caller in wanted if not caller.token})
    return {
        caller
        for caller in wanted
        if caller.session_key in live or (caller.token and user_of_access_token(caller.token))
    }


def user_of_page_session(session_key: str | None) -> User | None:
    """Whose session it is, outside of a page's request."""
    request = HttpRequest()
    store = import_module(settings.SESSION_ENGINE).SessionStore
    request.session = store(session_key)
    user = get_user(request)
    return user if isinstance(user, User) else None


class BearerAuth(HttpBearer):
    """`Authorization: Bearer <access token or personal key>`.

    What limits a key is counted by the gateway, so a limited one changes nothing here: it could
    chat beside its budget, or make itself a key, an alias or a connection that has no limits.
    """

    def authenticate(self, request: HttpRequest, token: str) -> User | None:
        if not _is_key(token):
            return user_of_access_token(token)
        key = _use_key(token)
        if key is None:
            return None
        if key.is_restricted and request.method not in SAFE_METHODS:
            text = _("This key has limits, so here it only reads. Use a key without limits.")
            raise ApiError(403, "key_limited", text)
        request.api_key = key  # type: ignore[attr-defined]
        return key.user


class PageSessionAuth(SessionAuth):
    """The page session's cookie; ninja checks the CSRF token of unsafe methods with it."""

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        user = request.user
        return user if user.is_authenticated else None


api_auth = [BearerAuth(), PageSessionAuth()]
