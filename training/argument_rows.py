"""The parameters of the form of a training: their fields, and how the page draws them."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from training.arguments import ARGUMENTS, BY_NAME, GROUPS, Argument
from training.forms import template_choices
from training.presets import field_text

SWEPT_KINDS = ("int", "float", "bool", "choice")
ON_OFF = {"true": _("On"), "false": _("Off"), "": _("As LLaMA-Factory decides")}


def default_text(argument: Argument) -> str:
    """The default as the field would hold it; empty if LLaMA-Factory decides."""
    return "" if argument.default is None else field_text(argument.default)


def field_of(argument: Argument) -> forms.Field:
    """A field that only carries the value; arguments.clean() judges it.

    What is not among the main parameters stays empty until a person sets it.
    """
    common: dict[str, Any] = {"label": argument.label, "help_text": argument.help}
    if argument.name == "template":
        return forms.ChoiceField(**common, required=False, choices=template_choices())
    is_shown = argument.group == "main" and argument.kind != "bool"  # off is the empty option
    initial = default_text(argument) if is_shown else None
    return forms.CharField(**common, required=False, max_length=10_000, initial=initial)


def options_of(argument: Argument) -> list[tuple[str, Any]]:
    """(value, label) of a select; the empty one is the default."""
    default = default_text(argument)
    if argument.kind == "bool":
        first: list[tuple[str, Any]] = [("", ON_OFF[default])]
        return [*first, *((word, ON_OFF[word]) for word in ("true", "false") if word != default)]
    if argument.name == "template":
        return template_choices()
    if argument.group == "main":
        return [(choice, choice) for choice in argument.choices]
    first = [("", default or ON_OFF[""])]
    return [*first, *((choice, choice) for choice in argument.choices if choice != default)]


@dataclass(frozen=True)
class ArgumentRow:
    """One parameter as the page draws it."""

    argument: Argument
    field: forms.BoundField
    fits: bool

    @property
    def value(self) -> str:
        value = self.field.value()
        return "" if value is None else str(value)

    @property
    def default(self) -> str:
        return default_text(self.argument)

    @property
    def is_changed(self) -> bool:
        return self.value not in ("", self.default)

    @property
    def is_select(self) -> bool:
        return self.argument.kind in ("bool", "choice") or self.argument.name == "template"

    @property
    def options(self) -> list[tuple[str, Any]]:
        return options_of(self.argument)

    @property
    def mode(self) -> str:
        """Which keyboard a phone shows."""
        return {"int": "numeric", "float": "decimal"}.get(self.argument.kind, "text")

    @property
    def html(self) -> SafeString:
        """The row's markup; of hundreds nearly all are as they always are, and are drawn once."""
        if self.field.errors or self.value != (self.field.field.initial or ""):
            return _draw(self)
        key = (self.argument.name, self.fits, get_language())
        if key not in _untouched:
            _untouched[key] = _draw(self)
        return _untouched[key]

    @property
    def search(self) -> str:
        words = (self.argument.name, self.argument.label, self.argument.help)
        return " ".join(map(str, words)).lower()


_untouched: dict[tuple[str, bool, str | None], SafeString] = {}


def _draw(row: ArgumentRow) -> SafeString:
    return render_to_string("training/argument.html", {"row": row})


def sweepable_options(chosen: str) -> SafeString:
    """Parameters of which several values can be tried, by group, as options of a select."""
    options = _sweepable(get_language())
    if chosen not in BY_NAME:
        return options
    value = f'value="{chosen}"'
    return mark_safe(options.replace(value, f"{value} selected"))  # our own names


@lru_cache
def _sweepable(language: str | None) -> SafeString:
    groups = [
        (label, [a for a in ARGUMENTS if a.group == group and a.kind in SWEPT_KINDS])
        for group, label in GROUPS.items()
        if any(a.group == group and a.is_installed for a in ARGUMENTS)
    ]
    return render_to_string("training/sweepable.html", {"groups": groups})
