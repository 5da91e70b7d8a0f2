"""Checks what a person sets before anything starts: typed values for LLaMA-Factory, or reasons."""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform.text import UNSTORABLE, enumerated
from training.argument_conflicts import by_field, conflicts
from training.argument_table import ARGUMENTS, BY_NAME, GROUPS, WHY_BLOCKED, Argument, Value
from training.chat_templates import TEMPLATES

__all__ = [
    "ARGUMENTS",
    "BY_NAME",
    "GROUPS",
    "Argument",
    "applicable",
    "clean",
]

MODULES = re.compile(r"[A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*")
DETAIL = re.compile(r"[A-Za-z0-9_+-]{1,60}")
DETAILS_MAX = 20  # entries of an object
TEXT_MAX = {"default_system": 10_000}
TRUE = {"true", "on", "1", "yes"}
FALSE = {"false", "off", "0", "no"}


def applicable(*, stage: str, method: str) -> list[Argument]:
    return [argument for argument in ARGUMENTS if argument.fits(stage=stage, method=method)]


def clean(
    parameters: Mapping[str, Any], *, stage: str, method: str, has_eval_dataset: bool = False
) -> dict[str, Any]:
    """Typed values by LLaMA-Factory's names; None and empty texts count as not given.

    ValidationError keyed by parameter: unknown, of the wrong type, out of range, not for this
    stage or method, or in conflict with another one.
    """
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, raw in parameters.items():
        if raw is None or raw == "":
            continue
        try:
            values[name] = _value(_argument(str(name), stage, method), raw)
        except ValidationError as error:
            errors[str(name)] = error.messages
    if not errors:
        errors = by_field(conflicts(values, has_eval_dataset=has_eval_dataset))
    if errors:
        raise ValidationError(dict(errors))
    if "quantization_bit" in values:
        values["quantization_bit"] = int(values["quantization_bit"])
    return values


def _argument(name: str, stage: str, method: str) -> Argument:
    argument = BY_NAME.get(name)
    if argument is None:
        unknown = _("LLaMA-Factory has no such parameter.")
        raise ValidationError(str(WHY_BLOCKED.get(name, unknown)))
    if not argument.is_installed:
        text = _("This needs the package %(package)s in the training environment.")
        raise ValidationError(text % {"package": argument.package})
    if not argument.fits(stage=stage, method=method):
        raise ValidationError(_("This parameter does not apply to this stage and method."))
    return argument


def _value(argument: Argument, raw: Any) -> Value:
    return _READERS[argument.kind](argument, raw)


def _number(argument: Argument, raw: Any) -> float:
    if isinstance(raw, bool):
        raise ValidationError(_("Enter a number."))
    try:
        number = float(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValidationError(_("Enter a number.")) from error
    if not math.isfinite(number):
        raise ValidationError(_("Enter a number."))
    _check_range(argument, number)
    return number


def _check_range(argument: Argument, number: float) -> None:
    if argument.above is not None and number <= argument.above:
        text = _("Must be greater than %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.above:g}"})
    if argument.minimum is not None and number < argument.minimum:
        text = _("Must be at least %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.minimum:g}"})
    if argument.maximum is not None and number > argument.maximum:
        text = _("Must be at most %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.maximum:,.12g}"})


def _read_int(argument: Argument, raw: Any) -> int:
    number = _number(argument, raw)
    if number != int(number):
        raise ValidationError(_("Enter a whole number."))
    return int(number)


def _read_bool(argument: Argument, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word not in TRUE | FALSE:
        raise ValidationError(_("Enter true or false."))
    return word in TRUE


def _read_choice(argument: Argument, raw: Any) -> str:
    if isinstance(raw, bool) or str(raw) not in argument.choices:
        text = _("Choose one of: %(choices)s.")
        raise ValidationError(text % {"choices": enumerated(argument.choices)})
    return str(raw)


def _read_text(argument: Argument, raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > TEXT_MAX.get(argument.name, 500):
        raise ValidationError(_("Enter a shorter text."))
    text = raw.strip()
    if UNSTORABLE.search(text):
        raise ValidationError(_("The text contains characters that cannot be stored."))
    if argument.name == "template" and text not in TEMPLATES:
        raise ValidationError(_("There is no such chat template."))
    return text


def _read_modules(argument: Argument, raw: Any) -> str:
    text = _read_text(argument, raw)
    if not MODULES.fullmatch(text):
        raise ValidationError(_("Enter names of modules with commas between them."))
    return text


def _read_json(argument: Argument, raw: Any) -> dict[str, Any]:
    """An object of plain values: nothing that could name a file or hold code."""
    try:
        value = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError) as error:
        raise ValidationError(_('Enter a JSON object such as {"name": 1}.')) from error
    if not isinstance(value, dict) or len(value) > DETAILS_MAX:
        raise ValidationError(_('Enter a JSON object such as {"name": 1}.'))
    for name, item in value.items():
        is_number = (isinstance(item, int) and abs(item) < 2**53) or (
            isinstance(item, float) and math.isfinite(item)
        )
        is_word = isinstance(item, str) and DETAIL.fullmatch(item)
        if not DETAIL.fullmatch(str(name)) or not (is_number or is_word):
            raise ValidationError(_("Only numbers, words, true and false can stand in it."))
    return value


_READERS: dict[str, Callable[[Argument, Any], Value]] = {
    "int": _read_int,
    "float": _number,
    "bool": _read_bool,
    "choice": _read_choice,
    "text": _read_text,
    "modules": _read_modules,
    "json": _read_json,
}
KINDS = tuple(_READERS)
