"""Verbs about prompts: create, change, delete, copy, fill in."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import DECEIVING, storable
from prompts.models import Prompt, PromptTag
from prompts.rendering import VariablesDiffer, render

TEXT_MAX_CHARS = 50_000
TITLE_MAX_CHARS = 200
TAG_MAX_CHARS = 40
TAGS_MAX = 12
AUDITED_CHARS = 2000


def _clean(values: dict[str, Any]) -> dict[str, Any]:
    """What is in `values` of title, text and tags, as it is stored. ValidationError by field."""
    cleaned, problems = dict(values), {}
    checks = {"title": _clean_title, "text": _clean_text, "tags": _clean_tags}
    for name in checks.keys() & values.keys():
        try:
            cleaned[name] = checks[name](values[name])
        except ValueError as error:
            problems[name] = [str(error)]
    if problems:
        raise ValidationError(problems)
    return cleaned


def _clean_line(value: str, max_chars: int) -> str:
    line = " ".join(storable(value).split())
    if DECEIVING.search(line):
        raise ValueError(_("Invisible or control characters are not allowed here."))
    if len(line) > max_chars:
        raise ValueError(_("At most %(count)d characters.") % {"count": max_chars})
    return line


def _clean_title(value: str) -> str:
    line = _clean_line(value, TITLE_MAX_CHARS)
    if not line:
        raise ValueError(_("Give the prompt a title."))
    return line


def _clean_text(value: str) -> str:
    text = storable(value).replace("\r\n", "\n").strip()
    if not text:
        raise ValueError(_("Write the text of the prompt."))
    if len(text) > TEXT_MAX_CHARS:
        raise ValueError(_("At most %(count)d characters.") % {"count": TEXT_MAX_CHARS})
    return text


def _clean_tags(values: Iterable[str]) -> list[str]:
    """Each tag once, whatever its case."""
    lines = [_clean_line(value, TAG_MAX_CHARS) for value in values]
    found = {line.casefold(): line for line in reversed(lines) if line}
    if len(found) > TAGS_MAX:
        raise ValueError(_("At most %(count)d tags.") % {"count": TAGS_MAX})
    return sorted(found.values())


def _set_tags(prompt: Prompt, tags: list[str]) -> None:
    prompt.tag_rows.all().delete()
    PromptTag.objects.bulk_create(PromptTag(prompt=prompt, name=tag) for tag in tags)


def _is_private(prompt: Prompt) -> bool:
    return prompt.owner_id is not None and not prompt.is_shared


def _audited(values: Mapping[str, Any], *, is_private: bool) -> dict[str, Any]:
    """What the audit log keeps: the words of a private prompt are its owner's alone."""
    words = {name: values[name][:AUDITED_CHARS] for name in ("title", "text") if name in values}
    return {**values, **(dict.fromkeys(words, "private") if is_private else words)}


def _unnamed(prompt: Prompt) -> Prompt:
    """What the audit log calls it."""
    return Prompt(pk=prompt.pk, title=str(prompt.pk)) if _is_private(prompt) else prompt


def create_prompt(
    *,
    actor: User,
    title: str,
    text: str,
    tags: Iterable[str] = (),
    is_shared: bool = False,
    is_company: bool = False,
    request: HttpRequest | None = None,
) -> Prompt:
    """ValidationError keyed by field. `is_company`: without an owner, which administrators make."""
    if is_company and not actor.is_admin:
        raise ValidationError(
            {"is_company": [_("Only administrators can make prompts of the company.")]}
        )
    values = _clean({"title": title, "text": text, "tags": tags})
    chosen = values.pop("tags")
    owner = None if is_company else actor
    with transaction.atomic():
        prompt = Prompt.objects.create(
            owner=owner, is_shared=is_shared and not is_company, **values
        )
        _set_tags(prompt, chosen)
        after = {"title": prompt.title, "is_shared": prompt.is_shared, "tags": chosen}
        audit(
            actor=actor,
            action="prompt.create",
            target=_unnamed(prompt),
            after=_audited(after, is_private=_is_private(prompt)),
            request=request,
        )
    return prompt


def change_prompt(
    *, prompt: Prompt, actor: User, request: HttpRequest | None = None, **changes: Any
) -> Prompt:
    """Change title, text, tags or is_shared. ValidationError keyed by field."""
    values = _clean(changes)
    if prompt.owner_id is None:
        values["is_shared"] = False
    before, was_private = {name: getattr(prompt, name) for name in values}, _is_private(prompt)
    tags = values.pop("tags", None)
    with transaction.atomic():
        for name, value in values.items():
            setattr(prompt, name, value)
        prompt.updated_at = timezone.now()
        prompt.save(update_fields=[*values, "updated_at"])
        if tags is not None:
            _set_tags(prompt, tags)
        after = values | ({"tags": tags} if tags is not None else {})
        changed = {name for name in after if after[name] != before[name]}
        audit(
            actor=actor,
            action="prompt.update",
            target=_unnamed(prompt),
            before=_audited({name: before[name] for name in changed}, is_private=was_private),
            after=_audited({name: after[name] for name in changed}, is_private=_is_private(prompt)),
            request=request,
        )
    return Prompt.objects.get(pk=prompt.pk)


def delete_prompt(*, prompt: Prompt, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        audit(
            actor=actor,
            action="prompt.delete",
            target=_unnamed(prompt),
            before=_audited({"title": prompt.title}, is_private=_is_private(prompt)),
            request=request,
        )
        prompt.delete()


def copy_prompt(*, prompt: Prompt, actor: User, request: HttpRequest | None = None) -> Prompt:
    """A private copy of one's own, to change as one likes."""
    room = prompt.title[: TITLE_MAX_CHARS - 20]
    title = _("%(title)s (copy)") % {"title": room}
    return create_prompt(
        actor=actor, title=title, text=prompt.text, tags=prompt.tags, request=request
    )


def fill_in(*, prompt: Prompt, values: Mapping[str, object]) -> str:
    """The text with `values` in its places; counts as a use. ValidationError keyed by variable."""
    try:
        text = render(prompt.text, {name: str(value) for name, value in values.items()})
    except VariablesDiffer as error:
        problems = {name: [_("This variable needs a value.")] for name in error.missing}
        problems |= {name: [_("The prompt has no such variable.")] for name in error.unknown}
        raise ValidationError(problems) from error
    prompt.count_use()
    return text
