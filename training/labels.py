"""Labels of model versions: moved, taken away, rolled back; what stands against it, and who may
decide otherwise."""

import re
from contextlib import suppress

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import gates, registry, routes
from training.errors import StateConflict
from training.gates import Problem
from training.models import Label, LabelMove, LabelWaiver, ModelFamily, ModelVersion
from training.routes import PRODUCTION

CANDIDATE = "candidate"
SUGGESTED = (CANDIDATE, PRODUCTION)
NAME = re.compile(r"[a-z0-9\u4e00-\u9fff][a-z0-9\u4e00-\u9fff._-]{0,39}")
REASON_MIN_CHARS = 3


class LabelBlocked(Exception):
    """`problems` stand against the label; an administrator may decide otherwise, with a reason."""

    def __init__(self, label: str, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.label, self.problems = label, problems


def blocked_message(error: LabelBlocked) -> str:
    """For people, with every reason."""
    reasons = " ".join(problem.text for problem in error.problems)
    text = _("The label “%(label)s” is not given: %(reasons)s")
    return text % {"label": error.label, "reasons": reasons}


def admins_only_message() -> str:
    return _("Only administrators make exceptions.")


def moves_of(version: ModelVersion) -> QuerySet[LabelMove]:
    """Of all labels of its model, newest first."""
    rows = LabelMove.objects.filter(family=version.family)
    return rows.select_related("actor", "from_version__family", "to_version__family")


def checked_label(name: str) -> str:
    name = name.strip().lower()
    if not NAME.fullmatch(name):
        text = _("A label is a word of letters, digits, dots and dashes, such as candidate.")
        raise ValidationError({"label": [text]})
    return name


def standing_against(version: ModelVersion, label: str) -> list[Problem]:
    """What the checks say, unless an administrator has made an exception of this version."""
    if version.waivers.filter(label=label).exists():
        return []
    return gates.problems_of(version, label)


def move_label(
    *,
    version: ModelVersion,
    label: str,
    actor: User,
    reason: str = "",
    request: HttpRequest | None = None,
) -> Label:
    """`version` gets `label`, and whichever had it loses it.

    `reason`: why an administrator decides against the checks. Raises LabelBlocked, StateConflict
    for an archived version, ValidationError keyed by field.
    """
    label = checked_label(label)
    if version.archived_at is not None:
        raise StateConflict("label", "archived")
    problems = standing_against(version, label)
    overridden = _overridden(problems, label, actor, reason)
    with transaction.atomic():
        row = _place(version, label, actor, reason.strip() if overridden else "", overridden)
        action = "label.override" if overridden else "label.move"
        after = {"label": label, "version": version.title}
        if overridden:
            after |= {"reason": reason.strip(), "against": "; ".join(overridden)}
        audit(actor=actor, action=action, target=version, after=after, request=request)
    if label == PRODUCTION:
        _serve(version, actor, request)
    return row


def _overridden(problems: list[Problem], label: str, actor: User, reason: str) -> list[str]:
    """The sentences that are set aside; LabelBlocked where they may not be."""
    if not problems:
        return []
    if not actor.is_admin or not reason.strip():
        raise LabelBlocked(label, problems)
    if len(reason.strip()) < REASON_MIN_CHARS:
        raise ValidationError({"reason": [_("Say in a few words why.")]})
    return [problem.text for problem in problems]


def _place(
    version: ModelVersion,
    label: str,
    actor: User,
    reason: str = "",
    overridden: list[str] | None = None,
    *,
    is_rollback: bool = False,
) -> Label:
    """In a transaction; a move that changes nothing leaves no trace."""
    family = ModelFamily.objects.select_for_update().get(versions=version)
    row = Label.objects.filter(family=family, name=label).first()
    if row is not None and row.version_id == version.pk:
        return row
    LabelMove.objects.create(
        family=family,
        name=label,
        from_version=row.version if row else None,
        to_version=version,
        actor=actor,
        reason=reason,
        overridden=overridden or [],
        is_rollback=is_rollback,
    )
    row, _created = Label.objects.update_or_create(
        family=family, name=label, defaults={"version": version, "moved_at": timezone.now()}
    )
    return row


def _serve(version: ModelVersion, actor: User, request: HttpRequest | None) -> None:
    """The route follows. Where another version answers under it, this one is started, so that it
    can take over; the other one goes on until then, and stays for the way back."""
    family = version.family
    if family is None:
        return
    routes.follow(family)
    family.refresh_from_db()
    current = family.served_by
    if current is not None and current.version_id != version.pk:
        with suppress(StateConflict):  # it is on its way already
            registry.deploy(version=version, actor=actor, request=request)


def take_label(
    *, version: ModelVersion, label: str, actor: User, request: HttpRequest | None = None
) -> None:
    """Raises StateConflict when it has no such label."""
    with transaction.atomic():
        row = Label.objects.filter(version=version, name=label).first()
        if row is None:
            raise StateConflict("unlabel", "none")
        LabelMove.objects.create(
            family=row.family, name=label, from_version=version, to_version=None, actor=actor
        )
        row.delete()
        before = {"label": label, "version": version.title}
        audit(actor=actor, action="label.remove", target=version, before=before, request=request)
    if label == PRODUCTION and version.family is not None:
        routes.follow(version.family)


def former_version(family: ModelFamily, label: str) -> ModelVersion | None:
    """The one that a rollback goes back to: what had the label before it was given to the present
    one on purpose. Not archived, and its files are here."""
    row = Label.objects.filter(family=family, name=label).first()
    if row is None:
        return None
    moves = LabelMove.objects.filter(family=family, name=label, is_rollback=False)
    version: ModelVersion | None = row.version
    seen: set[int] = set()
    while version is not None and version.pk not in seen:
        seen.add(version.pk)
        came = moves.filter(to_version=version).select_related("from_version").first()
        version = came.from_version if came is not None else None
        if version is not None and version.archived_at is None and version.is_here:
            return version
    return None


def roll_back(
    *, family: ModelFamily, label: str, actor: User, request: HttpRequest | None = None
) -> ModelVersion:
    """The former version has the label again; it was good enough then, and no check is asked.

    Raises StateConflict when there is none.
    """
    former = former_version(family, label)
    if former is None:
        raise StateConflict("rollback", "none")
    with transaction.atomic():
        _place(former, label, actor, is_rollback=True)
        after = {"label": label, "version": former.title}
        audit(actor=actor, action="label.rollback", target=former, after=after, request=request)
    if label == PRODUCTION:
        _serve(former, actor, request)
    return former


def waive(
    *,
    version: ModelVersion,
    label: str,
    reason: str,
    actor: User,
    request: HttpRequest | None = None,
) -> LabelWaiver:
    """An administrator's exception, for whoever owns the version. ValidationError by field."""
    if not actor.is_admin:
        raise ValidationError({"reason": [admins_only_message()]})
    label = checked_label(label)
    if len(reason.strip()) < REASON_MIN_CHARS:
        raise ValidationError({"reason": [_("Say in a few words why.")]})
    with transaction.atomic():
        row = LabelWaiver.objects.create(
            version=version, label=label, reason=reason.strip(), actor=actor
        )
        after = {"label": label, "version": version.title, "reason": row.reason}
        audit(actor=actor, action="label.waive", target=version, after=after, request=request)
    return row
