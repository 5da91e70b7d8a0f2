"""What administrators do with accounts. Somebody who can undo it always stays."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import services
from accounts.models import Role, User
from accounts.models.user import normal_email


def create_user(
    *,
    email: str,
    password: str,
    role: str = Role.USER,
    actor: User,
    request: HttpRequest | None = None,
) -> User:
    """An account that can sign in at once. ValidationError keyed by field."""
    address = normal_email(email)
    try:
        services.check_new_password(password, User(email=address))
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
    try:
        with transaction.atomic():
            user = User.objects.create_user(address, password, role=role)
            after = {"email": address, "role": role}
            services.audit(
                actor=actor, action="user.create", target=user, after=after, request=request
            )
    except IntegrityError as error:
        raise ValidationError({"email": [_("This address cannot be registered.")]}) from error
    return user


def check_can_step_down(user: User, actor: User) -> None:
    """ValidationError when `user` may not lose the administrator's role or the account.

    Call it in the transaction of the change: the rows of all administrators are locked.
    """
    if user.pk == actor.pk:
        raise ValidationError(_("You cannot take this from yourself; ask another administrator."))
    rows = User.objects.select_for_update().filter(role=Role.ADMIN, is_active=True)
    admins = set(rows.values_list("pk", flat=True))
    if admins == {user.pk}:
        raise ValidationError(_("This is the last administrator."))


def activate(*, user: User, actor: User, request: HttpRequest | None = None) -> None:
    """Let somebody in: an account that waits for approval, or one that was deactivated."""
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
            services.audit(actor=actor, action="user.activate", target=user, request=request)
    user.is_active = True


def deactivate(*, user: User, actor: User, request: HttpRequest | None = None) -> None:
    """Ends every session and key too. ValidationError for oneself and the last administrator."""
    with transaction.atomic():
        check_can_step_down(user, actor)
        services.deactivate(user=user, actor=actor, request=request)


def change_role(*, user: User, role: str, actor: User, request: HttpRequest | None = None) -> None:
    """ValidationError when an administrator may not step down."""
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=user.pk).role
        if before == role:
            return
        if before == Role.ADMIN:
            check_can_step_down(user, actor)
        User.objects.filter(pk=user.pk).update(role=role)
        services.audit(
            actor=actor,
            action="user.role",
            target=user,
            before={"role": before},
            after={"role": role},
            request=request,
        )
    user.role = role


def reset_password(
    *, user: User, password: str, actor: User, request: HttpRequest | None = None
) -> None:
    """A new password, given by an administrator; every session of `user` ends.

    ValidationError with the reasons when the password is refused.
    """
    services.check_new_password(password, user)
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        services.end_sessions(user, reason="password reset")
        services.audit(actor=actor, action="user.password_reset", target=user, request=request)
