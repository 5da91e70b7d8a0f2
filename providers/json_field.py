"""A JSON object in a form: a mistake is named with its line, and what was typed stays."""

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SHOWN_CHARS = 60
# By the beginning of what Python's reader says.
HINTS = {
    "Expecting property name": gettext_lazy("A name in double quotes is missing here."),
    "Expecting ',' delimiter": gettext_lazy("A comma is missing before this."),
    "Expecting ':' delimiter": gettext_lazy("A colon is missing before this."),
    "Expecting value": gettext_lazy("A value is missing here: text needs double quotes."),
    "Extra data": gettext_lazy("The object has ended before this."),
    "Unterminated string": gettext_lazy("The closing quote is missing."),
    "Illegal trailing comma": gettext_lazy("Nothing may follow this comma but another entry."),
}


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


class JsonObjectField(forms.JSONField):
    """An empty field is an empty object."""

    def __init__(self, **kwargs: Any) -> None:
        attrs = {"rows": 4, "spellcheck": "false", "class": "mono"}
        kwargs.setdefault("widget", forms.Textarea(attrs=attrs))
        super().__init__(required=False, **kwargs)

    def to_python(self, value: Any) -> Any:
        text = (value or "").strip() if isinstance(value, str) or value is None else value
        if not text:
            return {}
        try:
            # Of the text as it was typed, so that the line is the one that is seen.
            found = json.loads(value, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            raise ValidationError(_mistake(value, error)) from error
        except (ValueError, RecursionError) as error:
            raise ValidationError(_("This is no JSON.")) from error
        if not isinstance(found, dict):
            raise ValidationError(_("Enter a JSON object, in braces: {…}."))
        return found

    def prepare_value(self, value: Any) -> Any:
        if not value:
            return ""
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False, indent=2)
        return super().prepare_value(value)


def _mistake(text: str, error: json.JSONDecodeError) -> str:
    lines = text.splitlines() or [""]
    line = lines[min(error.lineno, len(lines)) - 1].strip()
    hint = next((word for start, word in HINTS.items() if error.msg.startswith(start)), "")
    place = {"line": error.lineno, "column": error.colno, "text": line[:SHOWN_CHARS]}
    found = _("Line %(line)d, column %(column)d is no JSON: %(text)s") % place
    return f"{found} — {hint}" if hint else found
