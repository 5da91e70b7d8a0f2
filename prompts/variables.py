"""What a place of a template takes: its type, its limits, and the text that a value becomes.

A place that nothing is said about is a text. What stands in the text itself (`{{name|default}}`)
is its default, whatever else is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llmplatform.text import UNSTORABLE, enumerated
from prompts.rendering import places_of, substitute

VARIABLES_MAX = 50
VALUE_MAX_CHARS = 100_000
NUMBER_MAX_CHARS = 30
LABEL_MAX_CHARS, HELP_MAX_CHARS, DEFAULT_MAX_CHARS = 100, 300, 5000
CHOICES_MAX, CHOICE_MAX_CHARS = 100, 200
TODAY = "today"
# Long values are usual for these names; the others get one line.
LONG_NAMES = frozenset(
    ("text", "content", "code", "article", "document", "文本", "内容", "代码", "文章", "原文")
)
YES, NO = frozenset(("true", "on", "1", "yes")), frozenset(("false", "off", "0", "no", ""))


class VariableType(models.TextChoices):
    TEXT = "text", gettext_lazy("One line")
    LONG = "long", gettext_lazy("Long text")
    NUMBER = "number", gettext_lazy("Number")
    CHOICE = "choice", gettext_lazy("Choice")
    DATE = "date", gettext_lazy("Date")
    CHECK = "check", gettext_lazy("Checkbox")


@dataclass(frozen=True)
class Variable:
    """`default` None: none. A checkbox stands for `checked_text` or `unchecked_text`."""

    name: str
    type: str = "text"
    label: str = ""
    required: bool = True
    default: str | None = None
    help: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    checked_text: str = "yes"
    unchecked_text: str = "no"

    @property
    def shown_label(self) -> str:
        return self.label or self.name

    @property
    def spec(self) -> dict[str, Any]:
        """As the database and exports keep it: without what is as always."""
        plain = asdict(replace(self, choices=()))
        usual = asdict(Variable(self.name))
        if self.type == VariableType.CHECK:  # ticked or not, there is always a value
            del plain["required"]
        kept = {key: value for key, value in plain.items() if value != usual[key] or key == "name"}
        return kept | ({"choices": list(self.choices)} if self.choices else {})

    def text_of(self, value: object) -> str:
        """What `value` becomes in the text. ValueError with the reason if it does not fit."""
        match self.type:
            case VariableType.NUMBER:
                return self._number(str(value).strip())
            case VariableType.CHOICE:
                if str(value) not in self.choices:
                    raise ValueError(_("Choose one of: %(choices)s.") % {"choices": self._offered})
                return str(value)
            case VariableType.DATE:
                return _date(str(value).strip())
            case VariableType.CHECK:
                return self._check(str(value))
        text = str(value)
        if len(text) > VALUE_MAX_CHARS:
            raise ValueError(_("At most %(count)d characters.") % {"count": VALUE_MAX_CHARS})
        return text

    @property
    def _offered(self) -> str:
        return enumerated(self.choices)[:300]

    def _number(self, text: str) -> str:
        try:
            number = Decimal(text) if len(text) <= NUMBER_MAX_CHARS else Decimal("nan")
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite() or abs(number.adjusted()) > NUMBER_MAX_CHARS:
            raise ValueError(_("Write a number."))
        if self.minimum is not None and number < Decimal(str(self.minimum)):
            raise ValueError(_("Not less than %(limit)s.") % {"limit": f"{self.minimum:g}"})
        if self.maximum is not None and number > Decimal(str(self.maximum)):
            raise ValueError(_("Not more than %(limit)s.") % {"limit": f"{self.maximum:g}"})
        return format(number.normalize(), "f")

    def _check(self, text: str) -> str:
        word = text.strip().casefold()
        if word in YES:
            return self.checked_text
        if word in NO:
            return self.unchecked_text
        raise ValueError(_("Say true or false."))


def _date(text: str) -> str:
    if text.casefold() == TODAY:
        return timezone.localdate().isoformat()
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise ValueError(_("Write a date as 2026-01-31.")) from error


def variables_of(text: str, specs: Iterable[Mapping[str, Any]] = ()) -> list[Variable]:
    """One for each place of `text`, in its order, as `specs` say or as usual."""
    said = {spec["name"]: spec for spec in specs}
    return [_variable(name, default, said.get(name)) for name, default in places_of(text).items()]


def _variable(name: str, default: str | None, spec: Mapping[str, Any] | None) -> Variable:
    if spec is None:
        kind = VariableType.LONG if name.casefold() in LONG_NAMES else VariableType.TEXT
        return Variable(name, str(kind.value), required=default is None, default=default)
    found = Variable(**{**spec, "choices": tuple(spec.get("choices") or ())})
    if found.type == VariableType.CHECK:
        found = replace(found, required=False)
    return found if default is None else replace(found, default=default)


def problems_of(variable: Variable) -> dict[str, str]:
    """What is wrong with a declaration, by its field."""
    limits = {"label": LABEL_MAX_CHARS, "help": HELP_MAX_CHARS, "default": DEFAULT_MAX_CHARS}
    limits |= dict.fromkeys(("checked_text", "unchecked_text"), DEFAULT_MAX_CHARS)
    problems = {}
    for name, limit in limits.items():
        value = getattr(variable, name) or ""
        if len(value) > limit:
            problems[name] = _("At most %(count)d characters.") % {"count": limit}
        elif UNSTORABLE.search(value):
            problems[name] = _("The text contains characters that cannot be stored.")
    if variable.type not in VariableType.values:
        return problems | {"type": _("There is no such type.")}
    low, high = variable.minimum, variable.maximum
    if low is not None and high is not None and low > high:
        problems["maximum"] = _("The largest is below the smallest.")
    if variable.type == VariableType.CHOICE and (problem := _problem_of_choices(variable.choices)):
        return problems | {"choices": problem}
    if variable.default and "default" not in problems:
        try:
            variable.text_of(variable.default)
        except ValueError as error:
            problems["default"] = str(error)
    return problems


def _problem_of_choices(choices: Sequence[str]) -> str:
    if not choices:
        return _("Write at least one choice.")
    if len(choices) > CHOICES_MAX:
        return _("At most %(count)d choices.") % {"count": CHOICES_MAX}
    if any(len(each) > CHOICE_MAX_CHARS or UNSTORABLE.search(each) for each in choices):
        return _("A choice has at most %(count)d characters.") % {"count": CHOICE_MAX_CHARS}
    if len(set(choices)) < len(choices):
        return _("Each choice only once.")
    return ""


def clean_specs(text: str, specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """As they are kept: in the order of the text, without what is as usual.
    ValidationError keyed by "variables"."""
    known = {field.name for field in fields(Variable)}
    places, cleaned, problems = places_of(text), {}, []
    if len(places) > VARIABLES_MAX:
        problems.append(_("At most %(count)d variables.") % {"count": VARIABLES_MAX})
    for spec in specs:
        name = str(spec.get("name", ""))
        if name not in places:
            problems.append(_("%(name)s: the text has no such place.") % {"name": name})
            continue
        if name in cleaned:
            problems.append(_("%(name)s: said twice.") % {"name": name})
        if unknown := sorted(spec.keys() - known):
            problems.append(f"{name}: {', '.join(unknown)}?")
            continue
        variable = _variable(name, places[name], spec)
        problems += [f"{name}.{key}: {said}" for key, said in problems_of(variable).items()]
        cleaned[name] = variable if places[name] is None else replace(variable, default=None)
    if problems:
        raise ValidationError({"variables": problems})
    usual = {variable.name: variable for variable in variables_of(text)}
    said = [cleaned[name] for name in places if name in cleaned]
    return [
        each.spec
        for each in said
        if _variable(each.name, places[each.name], each.spec) != usual[each.name]
    ]


def fill(text: str, specs: Iterable[Mapping[str, Any]], values: Mapping[str, object]) -> str:
    """`text` with `values` in its places. ValidationError keyed by variable.

    An empty value counts as none where one is required, and as itself elsewhere.
    """
    known = {variable.name: variable for variable in variables_of(text, specs)}
    problems = {name: _("The prompt has no such variable.") for name in values if name not in known}
    filled = {}
    for name, variable in known.items():
        value = values.get(name, variable.default)
        is_empty = value is None or value == ""
        try:
            if is_empty and variable.type != VariableType.CHECK:
                if variable.required:
                    raise ValueError(_("This variable needs a value."))
                filled[name] = ""
            else:
                filled[name] = variable.text_of("" if value is None else value)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise ValidationError({name: [said] for name, said in problems.items()})
    return substitute(text, filled)
