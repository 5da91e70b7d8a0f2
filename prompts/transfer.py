"""Prompts as a file: written with all their versions, read entry by entry.

The format: {"format": "llm-platform.prompts", "version": 1, "prompts": [{"title", "description",
"tags", "versions": [{"number", "text", "variables", "note", "created_at", "author"}], "labels":
{name: number}}]}. An entry may also be short: {"title", "text", "tags"?, "variables"?}.
Open WebUI's list of {"command", "title" or "name", "content"} is read as well.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import ValidationError as InvalidShape

from accounts.models import User
from accounts.services import audit
from prompts import services, versions
from prompts.cleaning import cleaned
from prompts.models import Prompt, PromptVersion
from prompts.rendering import PLACE
from prompts.schemas import VariableIn

FORMAT, FORMAT_VERSION = "llm-platform.prompts", 1
FILE_MAX_BYTES = 20 * 2**20
ENTRIES_MAX, VERSIONS_MAX, LABELS_MAX = 2000, 500, 50
Entry = Mapping[str, Any]

# Open WebUI: {{name | text:placeholder="…":required}}
THEIR_PLACE = re.compile(r"\{\{[ \t]*([A-Za-z]\w{0,49})[ \t]*\|[ \t]*(\w+)((?::[^{}]*)?)\}\}")
THEIR_TYPES = {
    "textarea": "long",
    "number": "number",
    "range": "number",
    "select": "choice",
    "date": "date",
    "checkbox": "check",
}
THEIR_PROPERTY = re.compile(r':(\w+)(?:=("(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^:]*))?')


def exported(prompts: Iterable[Prompt]) -> dict[str, Any]:
    """Prefetch `tag_rows`, `versions__author` and `labels__version`."""
    return {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "exported_at": timezone.now().isoformat(),
        "prompts": [_entry(prompt) for prompt in prompts],
    }


def _entry(prompt: Prompt) -> dict[str, Any]:
    written = sorted(prompt.versions.all(), key=lambda version: version.number)
    return {
        "title": prompt.title,
        "description": prompt.description,
        "tags": prompt.tags,
        "versions": [_version(version) for version in written],
        "labels": {label.name: label.version.number for label in prompt.labels.all()},
    }


def _version(version: PromptVersion) -> dict[str, Any]:
    return {
        "number": version.number,
        "text": version.text,
        "variables": version.variable_specs,
        "note": version.note,
        "created_at": version.created_at.isoformat(),
        "author": version.author.email if version.author else "",
    }


@dataclass
class Report:
    """What became of each entry: (its place from 1, its title), with why where it was refused."""

    made: list[Prompt] = field(default_factory=list)
    known: list[tuple[int, str]] = field(default_factory=list)
    refused: list[tuple[int, str, list[str]]] = field(default_factory=list)


def read(data: bytes) -> list[Any]:
    """The entries of a file. ValidationError keyed by "file" if it is none of ours."""
    if len(data) > FILE_MAX_BYTES:
        raise _unreadable(_("The file is larger than 20 MB."))
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _unreadable(_("The file is not UTF-8 text.")) from error
    except json.JSONDecodeError as error:
        place = {"line": error.lineno, "column": error.colno}
        text = _("The file is not JSON: line %(line)d, column %(column)d.") % place
        raise _unreadable(text) from error
    except RecursionError as error:
        raise _unreadable(_("The file is nested too deeply.")) from error
    if isinstance(found, dict):
        if found.get("version", FORMAT_VERSION) != FORMAT_VERSION:
            raise _unreadable(_("The file comes from a newer version of the platform."))
        found = found.get("prompts")
    if not isinstance(found, list):
        raise _unreadable(_("The file holds no list of prompts."))
    if len(found) > ENTRIES_MAX:
        raise _unreadable(_("At most %(count)d prompts in one file.") % {"count": ENTRIES_MAX})
    return found


def _unreadable(text: str) -> ValidationError:
    return ValidationError({"file": [text]})


def import_prompts(
    *, actor: User, entries: Iterable[Any], request: HttpRequest | None = None
) -> Report:
    """Each good entry becomes a private prompt of `actor`; what they have already is left out."""
    report = Report()
    for place, entry in enumerate(entries, 1):
        title = _title(entry)
        try:
            readable = _readable(entry)
            if _is_known(actor, readable):
                report.known.append((place, title))
                continue
            report.made.append(_import(actor, readable, request))
        except ValidationError as error:
            report.refused.append((place, title, _reasons(error)))
    return report


def _title(entry: Any) -> str:
    said = (entry.get("title") or entry.get("name") or "") if isinstance(entry, dict) else ""
    return str(said)[:200]


def _reasons(error: ValidationError) -> list[str]:
    return [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]


def _readable(entry: Any) -> dict[str, Any]:
    """Title, description, tags, at least one version in order, labels; each of the right type."""
    if not isinstance(entry, dict):
        raise ValidationError({"entry": [_("This must be an object.")]})
    if "content" in entry and "text" not in entry:
        entry = _of_open_webui(entry)
    written = entry.get("versions") or [{**entry, "number": 1}]
    labels = entry.get("labels") or {}
    shapes = ((entry.get("tags") or [], list, "tags"), (written, list, "versions"))
    for value, shape, name in (*shapes, (labels, dict, "labels")):
        if not isinstance(value, shape):
            raise ValidationError({name: [_("This has another form than is expected.")]})
    if len(written) > VERSIONS_MAX or len(labels) > LABELS_MAX:
        raise ValidationError({"versions": [_("Too many versions or labels.")]})
    head = cleaned(
        {
            "title": str(entry.get("title") or ""),
            "description": str(entry.get("description") or ""),
            "tags": [str(tag) for tag in entry.get("tags") or ()],
        }
    )
    return {**head, "versions": _readable_versions(written), "labels": labels}


def _readable_versions(written: list[Any]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for place, each in enumerate(written, 1):
        where = f"versions.{place}"
        if not isinstance(each, dict) or not isinstance(each.get("variables") or [], list):
            raise ValidationError({where: [_("This has another form than is expected.")]})
        number = each.get("number", place)
        if not isinstance(number, int) or not 0 < number < 10**6 or number in found:
            raise ValidationError({f"{where}.number": [_("Each version has its own number.")]})
        said = {"text": str(each.get("text") or ""), "note": str(each.get("note") or "")}
        try:
            specs = [_spec(spec) for spec in each.get("variables") or ()]
            found[number] = cleaned({**said, "variables": specs})
        except ValidationError as error:
            problems = error.message_dict.items()
            raise ValidationError({f"{where}.{name}": said for name, said in problems}) from error
    return [{"number": number, **found[number]} for number in sorted(found)]


def _spec(said: Any) -> dict[str, Any]:
    try:
        return VariableIn.model_validate(said).model_dump()
    except InvalidShape as error:
        found = error.errors()[0]
        place = ".".join(str(each) for each in found["loc"])
        text = _("This has another form than is expected.")
        raise ValidationError({f"variables.{place}".rstrip("."): [text]}) from error


def _is_known(actor: User, entry: Entry) -> bool:
    rows = Prompt.objects.filter(owner=actor, title=entry["title"])
    return any(prompt.text == entry["versions"][-1]["text"] for prompt in rows)


def _import(actor: User, entry: Entry, request: HttpRequest | None) -> Prompt:
    first, *later = entry["versions"]
    with transaction.atomic():
        prompt = services.create_prompt(
            actor=actor,
            title=entry["title"],
            description=entry["description"],
            text=first["text"],
            variables=first["variables"],
            note=first["note"],
            tags=entry["tags"],
            request=request,
        )
        numbers = {first["number"]: prompt.versions.get()}
        for each in later:
            numbers[each["number"]] = versions.append(
                prompt=prompt,
                text=each["text"],
                specs=each["variables"],
                note=each["note"],
                author=actor,
            )
        for name, number in entry["labels"].items():
            if number not in numbers:
                said = _("There is no version %(number)s.") % {"number": number}
                raise ValidationError({f"labels.{name}": [said]})
            version = numbers[number]
            versions.move_label(version=version, name=name, actor=actor, request=request)
        audit(actor=actor, action="prompt.import", target=Prompt(pk=prompt.pk), request=request)
    return prompt


def _of_open_webui(entry: Entry) -> dict[str, Any]:
    """Their typed places become ours."""
    specs: dict[str, dict[str, Any]] = {}

    def place(found: re.Match[str]) -> str:
        name = found[1]
        specs.setdefault(name, _their_variable(name, found[2], found[3] or ""))
        return f"{{{{{name}}}}}"

    text = THEIR_PLACE.sub(place, str(entry["content"] or ""))
    held = {match[1] for match in PLACE.finditer(text)}
    return {
        "title": entry.get("title") or entry.get("name") or entry.get("command"),
        "text": text,
        "tags": [tag for tag in entry.get("tags") or () if isinstance(tag, str)],
        "variables": [spec for name, spec in specs.items() if name in held],
    }


def _their_variable(name: str, kind: str, properties: str) -> dict[str, Any]:
    said = dict(THEIR_PROPERTY.findall(properties))
    spec: dict[str, Any] = {"name": name, "type": THEIR_TYPES.get(kind, "text")}
    spec["required"] = "required" in said
    for theirs, ours in (("default", "default"), ("placeholder", "help"), ("label", "label")):
        if said.get(theirs):
            spec[ours] = said[theirs].strip().strip('"')
    for theirs, ours in (("min", "minimum"), ("max", "maximum")):
        if re.fullmatch(r"-?\d+(\.\d+)?", said.get(theirs, "")):
            spec[ours] = float(said[theirs])
    if spec["type"] == "choice":
        spec["choices"] = re.findall(r'"((?:[^"\\]|\\.)*)"', said.get("options", ""))
    return spec
