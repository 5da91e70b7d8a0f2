"""Verbs about prompts: create, change, delete, copy, star, fill in."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from prompts import usage, variables, versions
from prompts.auditing import audited, is_private
from prompts.cleaning import TITLE_MAX_CHARS, cleaned
from prompts.models import Prompt, PromptFavourite, PromptTag, PromptVersion

Specs = Iterable[Mapping[str, Any]]
VERSIONED = ("text", "variables")


def _set_tags(prompt: Prompt, tags: list[str]) -> None:
    prompt.tag_rows.all().delete()
    PromptTag.objects.bulk_create(PromptTag(prompt=prompt, name=tag) for tag in tags)


def create_prompt(
    *,
    actor: User,
    title: str,
    text: str,
    variables: Specs = (),
    description: str = "",
    tags: Iterable[str] = (),
    note: str = "",
    is_shared: bool = False,
    everyone_edits: bool = False,
    is_company: bool = False,
    request: HttpRequest | None = None,
) -> Prompt:
    """ValidationError keyed by field. `is_company`: without an owner, which administrators make."""
    if is_company and not actor.is_admin:
        problem = _("Only administrators can make prompts of the company.")
        raise ValidationError({"is_company": [problem]})
    written = {"title": title, "description": description, "text": text, "variables": variables}
    values = cleaned({**written, "tags": tags, "note": note})
    sharing = _sharing(is_company, is_shared, everyone_edits)
    with transaction.atomic():
        prompt = Prompt.objects.create(
            owner=None if is_company else actor,
            title=values["title"],
            description=values["description"],
            **sharing,
        )
        versions.append(
            prompt=prompt,
            text=values["text"],
            specs=values["variables"],
            note=values["note"],
            author=actor,
            number=1,
        )
        _set_tags(prompt, values["tags"])
        audit(
            actor=actor,
            action="prompt.create",
            target=prompt,
            is_private=is_private(prompt),
            after=audited(
                {"title": prompt.title, "is_shared": prompt.is_shared, "tags": values["tags"]},
                is_private=is_private(prompt),
            ),
            request=request,
        )
    return prompt


def _sharing(is_company: bool, is_shared: bool, everyone_edits: bool) -> dict[str, bool]:
    """The company's is for all already; who cannot read cannot edit."""
    is_shared = is_shared and not is_company
    return {"is_shared": is_shared, "everyone_edits": is_shared and everyone_edits}


def change_prompt(
    *,
    prompt: Prompt,
    actor: User,
    based_on: int | None = None,
    note: str = "",
    request: HttpRequest | None = None,
    **changes: Any,
) -> Prompt:
    """Change title, description, tags or sharing; another text or other variables are a new
    version. ValidationError keyed by field, also where somebody saved after `based_on`."""
    values = cleaned({**changes, "note": note}, prompt.text)
    with transaction.atomic():
        prompt = Prompt.objects.select_for_update().get(pk=prompt.pk)
        if based_on is not None and based_on != prompt.number and values.keys() & {*VERSIONED}:
            text = _(
                "Meanwhile version %(number)d was saved. Compare it with yours, then save again."
            )
            raise ValidationError({"based_on": [text % {"number": prompt.number}]})
        was_private = is_private(prompt)
        before, after = _apply(prompt, actor, values)
        audit(
            actor=actor,
            action="prompt.update",
            target=prompt,
            is_private=is_private(prompt),
            before=audited(before, is_private=was_private),
            after=audited(after, is_private=is_private(prompt)),
            request=request,
        )
    return Prompt.objects.get(pk=prompt.pk)


def _apply(
    prompt: Prompt, actor: User, values: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Change the locked `prompt`; what changed, before and after."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    if {"is_shared", "everyone_edits"} & values.keys():
        wished = [
            values.get(name, getattr(prompt, name)) for name in ("is_shared", "everyone_edits")
        ]
        values |= _sharing(prompt.owner_id is None, *wished)
    for name in ("title", "description", "is_shared", "everyone_edits"):
        if name in values and values[name] != getattr(prompt, name):
            before[name], after[name] = getattr(prompt, name), values[name]
            setattr(prompt, name, values[name])
    if "tags" in values and values["tags"] != prompt.tags:
        before["tags"], after["tags"] = prompt.tags, values["tags"]
        _set_tags(prompt, values["tags"])
    text = values.get("text", prompt.text)
    specs = values["variables"] if values.get("variables") is not None else prompt.variable_specs
    if text != prompt.text or specs != prompt.variable_specs:
        before |= {"version": prompt.number, "text": prompt.text}
        versions.append(prompt=prompt, text=text, specs=specs, note=values["note"], author=actor)
        after |= {"version": prompt.number, "text": text, "note": values["note"]}
    prompt.updated_at = timezone.now()
    prompt.save(update_fields=["title", "description", "is_shared", "everyone_edits", "updated_at"])
    return before, after


def delete_prompt(*, prompt: Prompt, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        audit(
            actor=actor,
            action="prompt.delete",
            target=prompt,
            is_private=is_private(prompt),
            before=audited({"title": prompt.title}, is_private=is_private(prompt)),
            request=request,
        )
        prompt.delete()


def copy_prompt(*, prompt: Prompt, actor: User, request: HttpRequest | None = None) -> Prompt:
    """A private copy of one's own, to change as one likes."""
    room = prompt.title[: TITLE_MAX_CHARS - 20]
    return create_prompt(
        actor=actor,
        title=_("%(title)s (copy)") % {"title": room},
        description=prompt.description,
        text=prompt.text,
        variables=prompt.variable_specs,
        tags=prompt.tags,
        request=request,
    )


def set_favourite(*, prompt: Prompt, user: User, is_favourite: bool) -> None:
    """A person's own mark; nobody else sees it."""
    if not is_favourite:
        PromptFavourite.objects.filter(prompt=prompt, user=user).delete()
        return
    try:
        with transaction.atomic():
            PromptFavourite.objects.get_or_create(prompt=prompt, user=user)
    except IntegrityError:  # two clicks at once
        return


def fill_in(
    *,
    prompt: Prompt,
    values: Mapping[str, object],
    version: PromptVersion | None = None,
    label: str = "",
) -> str:
    """The text with `values` in its places; counts as a use of `version`, or of the one that
    readers get. ValidationError keyed by variable."""
    if version is None:
        version, label = versions.current(prompt)
    text = variables.fill(version.text, version.variable_specs, values)
    usage.count_use(prompt=prompt, version=version, label=label)
    return text


def fill_in_each(*, prompt: Prompt, rows: Iterable[Mapping[str, str]]) -> list[tuple[str, str]]:
    """The text with the values of each row, or "" and why there is none; counts as one use. What a
    row has besides the prompt's variables is left aside."""
    version, label = versions.current(prompt)
    specs = version.variable_specs
    names, filled = {each.name for each in variables.variables_of(version.text, specs)}, []
    for row in rows:
        try:
            values = {name: value for name, value in row.items() if name in names}
            filled.append((variables.fill(version.text, specs, values), ""))
        except ValidationError as error:
            said = [f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
            filled.append(("", " ".join(said)))
    usage.count_use(prompt=prompt, version=version, label=label)
    return filled
