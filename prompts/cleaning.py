"""What people write about a prompt, as it is stored. Each function raises ValueError, with why."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform.text import DECEIVING, storable
from prompts.variables import clean_specs

TEXT_MAX_CHARS = 50_000
TITLE_MAX_CHARS, DESCRIPTION_MAX_CHARS, NOTE_MAX_CHARS = 200, 300, 200
TAG_MAX_CHARS = 40
TAGS_MAX = 12
LABEL = re.compile(r"[^\W_][\w.-]{0,39}")
# Names that mean something by themselves: `latest` moves alone.
RESERVED_LABELS = frozenset(("latest",))


def line_of(value: str, max_chars: int) -> str:
    line = " ".join(storable(value).split())
    if DECEIVING.search(line):
        raise ValueError(_("Invisible or control characters are not allowed here."))
    if len(line) > max_chars:
        raise ValueError(_("At most %(count)d characters.") % {"count": max_chars})
    return line


def title_of(value: str) -> str:
    line = line_of(value, TITLE_MAX_CHARS)
    if not line:
        raise ValueError(_("Give the prompt a title."))
    return line


def text_of(value: str) -> str:
    text = storable(value).replace("\r\n", "\n").strip()
    if not text:
        raise ValueError(_("Write the text of the prompt."))
    if len(text) > TEXT_MAX_CHARS:
        raise ValueError(_("At most %(count)d characters.") % {"count": TEXT_MAX_CHARS})
    return text


def tags_of(values: Iterable[str]) -> list[str]:
    """Each tag once, whatever its case."""
    lines = [line_of(value, TAG_MAX_CHARS) for value in values]
    found = {line.casefold(): line for line in reversed(lines) if line}
    if len(found) > TAGS_MAX:
        raise ValueError(_("At most %(count)d tags.") % {"count": TAGS_MAX})
    return sorted(found.values())


def label_of(value: str) -> str:
    name = storable(value).strip().casefold()
    if not LABEL.fullmatch(name):
        raise ValueError(_("Up to 40 letters, digits, dots and hyphens, a letter or digit first."))
    if name in RESERVED_LABELS or name.isdecimal():
        raise ValueError(_("“%(name)s” has a meaning already.") % {"name": name})
    return name


CHECKS: dict[str, Callable[[Any], Any]] = {
    "title": title_of,
    "description": lambda value: line_of(value, DESCRIPTION_MAX_CHARS),
    "text": text_of,
    "tags": tags_of,
    "note": lambda value: line_of(value, NOTE_MAX_CHARS),
}


def cleaned(values: Mapping[str, Any], text: str = "") -> dict[str, Any]:
    """`values` as they are stored; `variables` belong to the text among them, or to `text`.
    ValidationError by field."""
    found: dict[str, Any] = dict(values)
    problems: dict[str, list[str]] = {}
    for name in CHECKS.keys() & values.keys():
        try:
            found[name] = CHECKS[name](values[name])
        except ValueError as error:
            problems[name] = [str(error)]
    if values.get("variables") is not None and "text" not in problems:
        try:
            found["variables"] = clean_specs(found.get("text", text), values["variables"])
        except ValidationError as error:
            problems |= error.message_dict
    if problems:
        raise ValidationError(problems)
    return found
