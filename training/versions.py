"""What people do with a version besides serving it: notes, another model, put away."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import UNSTORABLE
from training import routes
from training.errors import StateConflict
from training.models import ModelFamily, ModelVersion
from training.names import checked_name

NOTES_MAX_CHARS = 10_000
RELATED = ("family__route", "family__alias", "family__served_by", "job", "base_model", "parent")


def chosen(
    user: User, *, model: str = "", label: str = "", archived: bool = False
) -> QuerySet[ModelVersion]:
    """The person's versions, newest first."""
    rows = ModelVersion.objects.for_user(user)
    rows = rows.exclude(archived_at=None) if archived else rows.current()
    if model:
        rows = rows.filter(family__name=model)
    if label:
        rows = rows.labelled(label)
    return rows.select_related(*RELATED).prefetch_related("label_rows")


def change(
    *,
    version: ModelVersion,
    actor: User,
    notes: str | None = None,
    archived: bool | None = None,
    model: str | None = None,
    request: HttpRequest | None = None,
) -> None:
    """What is None stays. Raises StateConflict; ValidationError keyed by field."""
    if notes is not None and notes.strip() != version.notes:
        set_notes(version=version, notes=notes, actor=actor, request=request)
    if model is not None and version.family is not None and model.strip() != version.family.name:
        set_family(version=version, name=model, actor=actor, request=request)
    if archived is True and version.archived_at is None:
        archive(version=version, actor=actor, request=request)
    if archived is False and version.archived_at is not None:
        restore(version=version, actor=actor, request=request)


def in_use_message(error: StateConflict) -> str:
    if error.state in ("labelled", "in_use"):
        return _("Take its labels away and undeploy it first.")
    return error.message


def set_notes(
    *, version: ModelVersion, notes: str, actor: User, request: HttpRequest | None = None
) -> None:
    """ValidationError keyed by field."""
    notes = notes.strip()
    if UNSTORABLE.search(notes):
        raise ValidationError({"notes": [_("The text contains characters that cannot be stored.")]})
    if len(notes) > NOTES_MAX_CHARS:
        text = _("Notes have at most %(count)d characters.") % {"count": NOTES_MAX_CHARS}
        raise ValidationError({"notes": [text]})
    with transaction.atomic():
        version.notes = notes
        version.save(update_fields=["notes"])
        audit(actor=actor, action="model.note", target=version, request=request)


def set_family(
    *, version: ModelVersion, name: str, actor: User, request: HttpRequest | None = None
) -> None:
    """It becomes the next version of the model of this name, there already or new. Its labels stay
    behind, so it must have none. Raises StateConflict; ValidationError keyed by field."""
    name = checked_name(name, field="model")
    if version.labels:
        raise StateConflict("move", "labelled")
    before = version.title
    with transaction.atomic():
        family, _created = ModelFamily.objects.get_or_create(owner=version.owner, name=name)
        if family.pk == version.family_id:
            return
        version.family = family
        version.number = ModelFamily.objects.next_number(family.pk)
        version.save(update_fields=["family", "number"])
        audit(
            actor=actor,
            action="model.move",
            target=version,
            before={"version": before},
            after={"version": version.title},
            request=request,
        )


def archive(*, version: ModelVersion, actor: User, request: HttpRequest | None = None) -> None:
    """Raises StateConflict while it has a label or is served."""
    current = version.deployment
    if version.labels or (current is not None and not current.is_final):
        raise StateConflict("archive", "in_use")
    with transaction.atomic():
        version.archived_at = version.archived_at or timezone.now()
        version.save(update_fields=["archived_at"])
        audit(actor=actor, action="model.archive", target=version, request=request)


def restore(*, version: ModelVersion, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        version.archived_at = None
        version.save(update_fields=["archived_at"])
        audit(actor=actor, action="model.restore", target=version, request=request)


def route_names(version: ModelVersion) -> list[str]:
    """Under which names programs reach whatever version has the label production."""
    family = version.family
    if family is None or family.route is None:
        return []
    names = [family.route.model_id]
    return [family.alias.name, *names] if family.alias is not None else names


def answers_now(version: ModelVersion) -> bool:
    """Whether the route of its model ends at this version at present."""
    family = version.family
    return (
        family is not None
        and family.served_by is not None
        and family.served_by.version_id == version.pk
        and routes.serving(version.pk) is not None
    )
