"""Forms about the variables of a prompt: to declare them, and to fill them in."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from prompts.rendering import places_of
from prompts.variables import (
    DEFAULT_MAX_CHARS,
    HELP_MAX_CHARS,
    LABEL_MAX_CHARS,
    TODAY,
    VALUE_MAX_CHARS,
    VARIABLES_MAX,
    Variable,
    VariableType,
    problems_of,
    variables_of,
)

# Fields that only some types have.
OF_TYPES = {
    "minimum": {VariableType.NUMBER},
    "maximum": {VariableType.NUMBER},
    "choices": {VariableType.CHOICE},
    "checked_text": {VariableType.CHECK},
    "unchecked_text": {VariableType.CHECK},
    "required": set(VariableType) - {VariableType.CHECK},
}


class VariableForm(forms.Form):
    """How one place is filled in; `name` is the place's."""

    type = forms.ChoiceField(label=_("Type"), choices=VariableType.choices)
    label = forms.CharField(label=_("Shown as"), max_length=LABEL_MAX_CHARS, required=False)
    default = forms.CharField(
        label=_("Default"), max_length=DEFAULT_MAX_CHARS, required=False, strip=False
    )
    minimum = forms.FloatField(label=_("Smallest"), required=False)
    maximum = forms.FloatField(label=_("Largest"), required=False)
    choices = forms.CharField(
        label=_("Choices, one a line"), required=False, widget=forms.Textarea(attrs={"rows": 4})
    )
    checked_text = forms.CharField(
        label=_("Text when ticked"), max_length=DEFAULT_MAX_CHARS, required=False
    )
    unchecked_text = forms.CharField(
        label=_("Text otherwise"), max_length=DEFAULT_MAX_CHARS, required=False
    )
    help = forms.CharField(label=_("Hint"), max_length=HELP_MAX_CHARS, required=False)
    required = forms.BooleanField(label=_("Must be filled in"), required=False)

    def __init__(
        self, variable: Variable, data: QueryDict | None, *, is_given: bool, is_sent: bool
    ) -> None:
        """`is_given`: the text itself says the default. Not `is_sent`: `data` is still written."""
        self.name, self._usual = variable.name, variable
        prefix = f"place-{variable.name}"
        shown = {key: getattr(variable, key) for key in self.base_fields}
        shown["choices"] = "\n".join(variable.choices)
        is_known = data is not None and f"{prefix}-type" in data
        if is_known and data is not None and not is_sent:
            typed: dict[str, Any] = {key: data.get(f"{prefix}-{key}") for key in self.base_fields}
            typed["required"] = typed["required"] is not None
            shown |= {key: value for key, value in typed.items() if value is not None}
        super().__init__(data if is_known and is_sent else None, prefix=prefix, initial=shown)
        self.fields["default"].disabled = is_given
        if is_given:
            self.initial["default"] = variable.default
        chosen = self.data.get(f"{prefix}-type") if self.is_bound else shown["type"]
        for name, types in OF_TYPES.items():
            if chosen not in types:
                del self.fields[name]
        self._shape(str(chosen))

    def _shape(self, chosen: str) -> None:
        """The default is asked for as the value will be."""
        widget: forms.Widget
        if chosen == VariableType.LONG:
            widget = forms.Textarea(attrs={"rows": 2})
        elif chosen == VariableType.CHECK:
            widget = forms.Select(choices=[("", _("not ticked")), ("true", _("ticked"))])
        else:
            hint = "2026-01-31, today" if chosen == VariableType.DATE else ""
            widget = forms.TextInput(attrs={"placeholder": hint} if hint else {})
        self.fields["default"].widget = widget
        self.fields["type"].widget.attrs["data-refresh"] = ""

    def clean_choices(self) -> tuple[str, ...]:
        lines = str(self.cleaned_data["choices"]).splitlines()
        return tuple(line.strip() for line in lines if line.strip())

    @property
    def variable(self) -> Variable:
        """As declared; unbound, as it was."""
        if not self.is_bound:
            return self._usual
        said = {**self.cleaned_data, "default": self.cleaned_data.get("default") or None}
        said.setdefault("required", False)
        return Variable(self.name, **said)

    def clean(self) -> dict[str, Any]:
        if not self.errors:
            for name, problem in problems_of(self.variable).items():
                self.add_error(name if name in self.fields else None, problem)
        return self.cleaned_data


def variable_forms(
    text: str,
    specs: Iterable[Mapping[str, Any]] = (),
    data: QueryDict | None = None,
    *,
    is_sent: bool = True,
) -> list[VariableForm]:
    """One for each place of `text`."""
    places = places_of(text)
    return [
        VariableForm(variable, data, is_given=places[variable.name] is not None, is_sent=is_sent)
        for variable in variables_of(text, specs)[:VARIABLES_MAX]
    ]


def specs_of(rows: Iterable[VariableForm]) -> list[dict[str, Any]]:
    """What valid `rows` declare."""
    return [row.variable.spec for row in rows]


class FillForm(forms.Form):
    """One field a variable. A prefix keeps variables apart from the form's own attributes."""

    def __init__(self, *args: Any, variables: Iterable[Variable], **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "prefix": "variable"})
        self._variables = list(variables)
        for variable in self._variables:
            field = _field(variable)
            field.label, field.help_text = variable.shown_label, variable.help
            field.widget.attrs["data-variable"] = variable.name
            self.fields[variable.name] = field

    def clean(self) -> dict[str, Any]:
        for variable in self._variables:
            value = self.cleaned_data.get(variable.name)
            if value in (None, ""):
                continue
            try:
                variable.text_of(value)
            except ValueError as error:
                self.add_error(variable.name, str(error))
        return self.cleaned_data


def _field(variable: Variable) -> forms.Field:
    default, required = variable.default, variable.required
    match variable.type:
        case VariableType.CHECK:
            said = {"data-on": variable.checked_text, "data-off": variable.unchecked_text}
            is_on = variable.text_of(default or "") == variable.checked_text if default else False
            box = forms.CheckboxInput(attrs=said)
            return forms.BooleanField(required=False, initial=is_on, widget=box)
        case VariableType.CHOICE:
            offered = [(each, each) for each in variable.choices]
            blank = [] if required and default else [("", "–")]
            return forms.ChoiceField(
                choices=blank + offered, required=required, initial=default or ""
            )
        case VariableType.DATE:
            day = variable.text_of(TODAY) if default == TODAY else default
            picker = forms.DateInput(attrs={"type": "date"})
            return forms.CharField(required=required, initial=day, widget=picker)
        case VariableType.NUMBER:
            limits = {"min": variable.minimum, "max": variable.maximum}
            attrs = {key: f"{limit:g}" for key, limit in limits.items() if limit is not None}
            number = forms.NumberInput(attrs={**attrs, "step": "any"})
            return forms.CharField(required=required, initial=default, widget=number)
    is_long = variable.type == VariableType.LONG
    widget = forms.Textarea(attrs={"rows": 5}) if is_long else forms.TextInput()
    return forms.CharField(
        required=required, initial=default, max_length=VALUE_MAX_CHARS, strip=False, widget=widget
    )
