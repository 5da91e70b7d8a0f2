"""Verbs about versions and the labels that point at them."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from prompts.auditing import audited, is_private
from prompts.cleaning import label_of
from prompts.models import PRODUCTION, Prompt, PromptLabel, PromptVersion


def append(
    *,
    prompt: Prompt,
    text: str,
    specs: Iterable[Mapping[str, Any]],
    note: str,
    author: User | None,
    number: int | None = None,
) -> PromptVersion:
    """The next version of a locked `prompt`, of what is cleaned already."""
    version = PromptVersion.objects.create(
        prompt=prompt,
        number=number or prompt.number + 1,
        text=text,
        variable_specs=list(specs),
        note=note,
        author=author,
    )
    prompt.number, prompt.text = version.number, version.text
    prompt.variable_specs, prompt.updated_at = version.variable_specs, version.created_at
    prompt.save(update_fields=["number", "text", "variable_specs", "updated_at"])
    return version


def current(prompt: Prompt) -> tuple[PromptVersion, str]:
    """What readers get, and by which label: `production` where there is one, else the latest."""
    label = prompt.labels.select_related("version").filter(name=PRODUCTION).first()
    if label is not None:
        return label.version, label.name
    return prompt.versions.get(number=prompt.number), ""


def chosen(
    prompt: Prompt, *, number: int | None = None, label: str = ""
) -> tuple[PromptVersion, str]:
    """By number or by label; with neither what readers get. ValidationError keyed by what is
    wrong."""
    if number is not None and label:
        raise ValidationError({"version": [_("Give a version or a label, not both.")]})
    if number is not None:
        version = prompt.versions.filter(number=number).first()
        if version is None:
            raise ValidationError({"version": [_("There is no such version.")]})
        return version, ""
    if not label:
        return current(prompt)
    wanted = label.strip().casefold()
    if wanted == "latest":
        return prompt.versions.get(number=prompt.number), "latest"
    row = prompt.labels.select_related("version").filter(name=wanted).first()
    if row is None:
        raise ValidationError({"label": [_("The prompt has no such label.")]})
    return row.version, row.name


def restore(
    *, version: PromptVersion, actor: User, note: str = "", request: HttpRequest | None = None
) -> PromptVersion:
    """A new version that says what an old one said. ValidationError where that is the latest."""
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update().get(pk=version.prompt_id)
        if (version.text, version.variable_specs) == (prompt.text, prompt.variable_specs):
            raise ValidationError({"version": [_("The latest version says the same already.")]})
        made = append(
            prompt=prompt,
            text=version.text,
            specs=version.variable_specs,
            note=note or _("Restored version %(number)d") % {"number": version.number},
            author=actor,
        )
        audit(
            actor=actor,
            action="prompt.restore",
            target=prompt,
            is_private=is_private(prompt),
            before={"version": made.number - 1},
            after={"version": made.number, "restored": version.number},
            request=request,
        )
    return made


def _check_may_move(prompt: Prompt, actor: User, name: str) -> None:
    """Who may not edit at all does not come here."""
    if name == PRODUCTION and not Prompt.objects.manageable_by(actor).filter(pk=prompt.pk).exists():
        raise PermissionDenied(_("Only the owner or an administrator moves “production”."))


def move_label(
    *, version: PromptVersion, name: str, actor: User, request: HttpRequest | None = None
) -> PromptLabel:
    """Let the label point at `version`, wherever it was. ValidationError keyed by "name";
    PermissionDenied where it is protected from `actor`."""
    try:
        wanted = label_of(name)
    except ValueError as error:
        raise ValidationError({"name": [str(error)]}) from error
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update().get(pk=version.prompt_id)
        _check_may_move(prompt, actor, wanted)
        before = prompt.labels.select_related("version").filter(name=wanted).first()
        label, _is_new = PromptLabel.objects.update_or_create(
            prompt=prompt,
            name=wanted,
            defaults={"version": version, "moved_by": actor, "moved_at": timezone.now()},
        )
        audit(
            actor=actor,
            action="prompt.label",
            target=prompt,
            is_private=is_private(prompt),
            before={"label": wanted, "version": before.version.number if before else None},
            after={"label": wanted, "version": version.number},
            request=request,
        )
    return label


def remove_label(*, label: PromptLabel, actor: User, request: HttpRequest | None = None) -> None:
    """PermissionDenied where it is protected from `actor`."""
    prompt = label.prompt
    _check_may_move(prompt, actor, label.name)
    with transaction.atomic():
        audit(
            actor=actor,
            action="prompt.unlabel",
            target=prompt,
            is_private=is_private(prompt),
            before=audited(
                {"label": label.name, "version": label.version.number},
                is_private=is_private(prompt),
            ),
            request=request,
        )
        label.delete()
