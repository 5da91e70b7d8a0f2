"""Metadata of a document as people write it: a line for each field.

    product: Pump 3
    year: 2024
    code: "0042"
    tag: manual
    tag: water

Numbers, `true` and `false` are what they look like; in quotes they are texts. A name with several
lines is a list.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from knowledge.models import Document

LOOKED_AT = 200
# Every document has these.
ALWAYS = ("document_name", "folder", "added")
NUMBER = re.compile(r"[+-]?(\d+|\d*\.\d+|\d+\.\d*)")
# People who write Chinese type the wide one.
COLON = re.compile("[:：]")

Scalar = str | int | float | bool


def read(lines: str) -> dict[str, Any]:
    """ValidationError where a line has no name."""
    found: dict[str, list[Scalar]] = {}
    for number, line in enumerate(lines.splitlines(), 1):
        if not line.strip():
            continue
        name, *rest = COLON.split(line, maxsplit=1)
        if not rest or not name.strip():
            text = _("Line %(number)d: write “name: value”.") % {"number": number}
            raise ValidationError(text)
        found.setdefault(name.strip(), []).append(value_of(rest[0]))
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def written(metadata: Mapping[str, Any]) -> str:
    """What `read` reads as that."""
    return "\n".join(
        f"{name}: {_written(each)}"
        for name, value in metadata.items()
        for each in (value if isinstance(value, list) else [value])
    )


def value_of(text: str) -> Scalar:
    text = text.strip()
    if text in ("true", "false"):
        return text == "true"
    if NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def _written(value: Scalar) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    is_plain = not isinstance(value, str) or (value_of(text) == text and text == text.strip())
    return text if is_plain and len(text.splitlines()) < 2 else json.dumps(text, ensure_ascii=False)


def names(documents: Iterable[Document]) -> list[str]:
    """To choose from; of the first documents, which mostly have the fields that there are."""
    own = {name for document in documents for name in document.metadata}
    return [*sorted(own), *ALWAYS]
