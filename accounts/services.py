"""Verbs about people: register, sign in, change a password, and the audit trail."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate, password_validation
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, models, transaction
from django.dispatch import Signal
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from accounts import throttle
from accounts.models import (
    LIMITS,
    ApiKey,
    AuditEvent,
    AuthSession,
    Delivery,
    NoticeChannel,
    PlatformSettings,
    RegistrationMode,
    User,
    UserLimits,
    UserNotice,
)
from accounts.models.user import normal_email
from accounts.throttle import Limit, TooManyAttempts
from accounts.types import Notice
from llmplatform.text import enumerated, validate_name

logger = logging.getLogger(__name__)

PASSWORD_MAX_BYTES = 1024
# On the pages of one person.
NOTICES_KEPT = 200


class RegistrationClosed(Exception):
    """An administrator has closed registration."""


def client_address(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))[:45] if request is not None else ""


def audit(
    *,
    actor: User | None,
    action: str,
    target: models.Model | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    request: HttpRequest | None = None,
    actor_label: str = "",
    is_private: bool = False,
) -> AuditEvent:
    """Record `action` ("noun.verb"). Call it in the transaction of the change it describes.

    `is_private`: the name of `target` is a person's own words, and others read the log: it is
    called by its number.
    """
    label = "" if target is None else str(target.pk if is_private else target)
    return AuditEvent.objects.create(
        actor=actor,
        actor_label=(actor.email if actor else actor_label)[:254],
        action=action,
        target_type=target._meta.label_lower if target is not None else "",
        target_id=str(target.pk)[:64] if target is not None else "",
        target_label=label[:254],
        address=client_address(request),
        request_id=getattr(request, "request_id", "") if request is not None else "",
        before=before,
        after=after,
    )


def notify(user: User, make: Callable[[], Notice]) -> int:
    """On the pages and through every enabled channel of `user`; `make` is called in their language.
    How many channels there are.

    Call it in the transaction of what it tells: the worker sends it afterwards.
    """
    with override(user.language or settings.LANGUAGE_CODE):
        notice = make()
    _put_up(user, notice)
    channels = list(NoticeChannel.objects.for_user(user).filter(is_enabled=True))
    for channel in channels:
        Delivery.objects.create(channel=channel, notice=asdict(notice))
    return len(channels)


def _put_up(user: User, notice: Notice) -> None:
    """Of many the oldest go."""
    mine = UserNotice.objects.for_user(user)
    surplus = mine.values_list("pk", flat=True)[NOTICES_KEPT - 1 :].first()
    if surplus is not None:
        mine.filter(pk__lte=surplus).delete()
    UserNotice.objects.create(
        user=user,
        title=notice.title[:300],
        text=notice.text,
        path=notice.path[:300],
        level=notice.level,
    )


def check_new_password(password: str, user: User | None = None) -> None:
    """ValidationError with every reason why `password` is refused."""
    if len(password.encode("utf-8", "surrogatepass")) > PASSWORD_MAX_BYTES:
        raise ValidationError(_("The password is too long."), code="password_too_long")
    password_validation.validate_password(password, user)


def register(*, email: str, password: str, request: HttpRequest | None = None) -> User:
    """A new account; inactive where an administrator approves first.

    Raises RegistrationClosed, TooManyAttempts, or ValidationError keyed by field.
    """
    mode = PlatformSettings.current().registration
    if mode == RegistrationMode.CLOSED:
        raise RegistrationClosed
    address = normal_email(email)
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError({"email": error.messages}) from error
    try:
        check_new_password(password, User(email=address))
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
    # Before the answer says whether there is such an account.
    limits = throttle.of_registrations(client_address(request))
    _take(limits, action="registration.throttled", label=address, request=request)
    taken = ValidationError({"email": [_("This address cannot be registered.")]})
    if User.objects.filter(email=address).exists():
        raise taken
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                address, password, is_active=mode == RegistrationMode.OPEN
            )
            audit(actor=user, action="user.register", target=user, request=request)
    except IntegrityError as error:
        raise taken from error
    return user


def _take(limits: list[Limit], *, action: str, label: str, request: HttpRequest | None) -> None:
    try:
        throttle.take(limits)
    except TooManyAttempts as error:
        if error.is_first:
            audit(actor=None, actor_label=label, action=action, request=request)
        raise


def _take_guess(email: str, request: HttpRequest | None) -> list[Limit]:
    """To be given back where the password is right."""
    limits = throttle.of_passwords(email, client_address(request))
    _take(limits, action="session.throttled", label=email, request=request)
    return limits


def check_password(*, email: str, password: str, request: HttpRequest | None) -> User | None:
    """The active user these credentials belong to, or None. Raises TooManyAttempts first."""
    address = normal_email(email)
    limits = _take_guess(address, request)
    user = None
    if len(password) <= PASSWORD_MAX_BYTES:
        user = authenticate(request, username=address, password=password)
    if isinstance(user, User):
        throttle.give_back(limits)
        return user
    audit(actor=None, actor_label=address, action="session.refused", request=request)
    return None


def end_sessions(user: User, *, reason: str, keep_session_key: str | None = None) -> None:
    """Revoke every API session and page session of `user` (except `keep_session_key`)."""
    now = timezone.now()
    AuthSession.objects.filter(user=user, revoked_at=None).update(
        revoked_at=now, revoke_reason=reason
    )
    # Page sessions also end by Django's own check of the password hash; this covers the rest.
    soon = Session.objects.filter(expire_date__gt=now - timedelta(minutes=1))
    for session in soon.iterator():
        if session.session_key == keep_session_key:
            continue
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def change_password(
    *,
    user: User,
    old_password: str,
    new_password: str,
    request: HttpRequest | None = None,
    keep_session_key: str | None = None,
) -> None:
    """ValidationError keyed by field when either password is refused; TooManyAttempts first."""
    limits = _take_guess(user.email, request)
    if len(old_password) > PASSWORD_MAX_BYTES or not user.check_password(old_password):
        raise ValidationError({"old_password": [_("This is not your current password.")]})
    throttle.give_back(limits)
    try:
        check_new_password(new_password, user)
    except ValidationError as error:
        raise ValidationError({"new_password": error.messages}) from error
    with transaction.atomic():
        user.set_password(new_password)
        user.save(update_fields=["password"])
        end_sessions(user, reason="password changed", keep_session_key=keep_session_key)
        audit(actor=user, action="user.password", target=user, request=request)


def deactivate(*, user: User, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=False)
        user.is_active = False
        end_sessions(user, reason="deactivated")
        audit(actor=actor, action="user.deactivate", target=user, request=request)
        announce_keys()


# Sent after the commit when a key, its user or the limits of one have changed in this process.
keys_changed = Signal()


def announce_keys() -> None:
    transaction.on_commit(lambda: keys_changed.send(sender=ApiKey))


# Asked before a key is limited to models, which this app knows nothing of: with `user` and `names`;
# receivers answer a list of those names that are nothing that this user can see.
checking_models = Signal()


def _unknown_models(user: User, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    answers: list[Any] = checking_models.send(sender=ApiKey, user=user, names=names)
    return [name for _receiver, unknown in answers for name in unknown]


def _check_key(user: User, values: dict[str, Any], kept_models: Sequence[str] = ()) -> None:
    """ValidationError keyed by field, also where a key would get more than its user has.

    `kept_models` have been checked when they were chosen; they may be gone by now.
    """
    errors: dict[str, list[str]] = {}
    if "name" in values:
        try:
            validate_name(values["name"])
        except ValidationError as error:
            errors["name"] = error.messages
    expires_at = values.get("expires_at")
    if expires_at is not None and timezone.is_naive(expires_at):
        expires_at = values["expires_at"] = timezone.make_aware(expires_at)
    if expires_at is not None and expires_at <= timezone.now():
        errors["expires_at"] = [_("The expiry must lie in the future.")]
    chosen: Sequence[str] = values.get("allowed_models") or ()
    if unknown := _unknown_models(user, [name for name in chosen if name not in kept_models]):
        text = _("There is no model or alias that you can use by this name: %(names)s.")
        errors["allowed_models"] = [text % {"names": enumerated(unknown[:5])}]
    own = UserLimits.objects.filter(user=user).first()
    for name in LIMITS:
        asked, most = values.get(name), getattr(own, name, None)
        if asked is not None and most is not None and asked > most:
            errors[name] = [_("Your account is limited to %(limit)s.") % {"limit": most}]
    if errors:
        raise ValidationError({name: list(found) for name, found in errors.items()})


def create_key(
    *,
    user: User,
    name: str,
    expires_at: datetime | None = None,
    request: HttpRequest | None = None,
    **limits: Any,
) -> tuple[ApiKey, str]:
    """A personal key and its text. ValidationError keyed by field."""
    values: dict[str, Any] = {"name": name, "expires_at": expires_at, **limits}
    _check_key(user, values)
    with transaction.atomic():
        key, text = ApiKey.issue(user=user, **values)
        audit(actor=user, action="key.create", target=key, after={"name": name}, request=request)
    return key, text


def change_key(
    *, key: ApiKey, actor: User, request: HttpRequest | None = None, **changes: Any
) -> ApiKey:
    """Name, expiry, `allowed_models` or LIMITS. ValidationError keyed by field."""
    changes = {name: to for name, to in changes.items() if getattr(key, name) != to}
    _check_key(key.user, changes, key.allowed_models)
    before = {name: _recorded(getattr(key, name)) for name in changes}
    for name, value in changes.items():
        setattr(key, name, value)
    if changes:
        with transaction.atomic():
            key.save(update_fields=list(changes))
            after = {name: _recorded(value) for name, value in changes.items()}
            audit(
                actor=actor,
                action="key.update",
                target=key,
                before=before,
                after=after,
                request=request,
            )
            announce_keys()
    return key


def _recorded(value: Any) -> Any:
    """As the audit log can keep it."""
    return value if isinstance(value, int | list | None) else str(value)


def revoke_key(*, key: ApiKey, actor: User, request: HttpRequest | None = None) -> None:
    """Refused at once in this process, within a second in others."""
    with transaction.atomic():
        ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now())
        audit(actor=actor, action="key.revoke", target=key, request=request)
        announce_keys()
