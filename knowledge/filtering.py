"""Filters of metadata as callers write them, as the index takes them."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from knowledge import fields
from knowledge.index import Condition, Filters, Operator

NUMERIC = {
    Operator.EQUAL,
    Operator.NOT_EQUAL,
    Operator.GREATER,
    Operator.LESS,
    Operator.AT_LEAST,
    Operator.AT_MOST,
}
TIMES = {Operator.BEFORE, Operator.AFTER}
NO_VALUE = {Operator.EMPTY, Operator.NOT_EMPTY}
LISTS = {Operator.IN, Operator.NOT_IN}


# What people choose from; `is` compares numbers, too.
WORDS = (
    (Operator.IS.value, gettext_lazy("is")),
    (Operator.IS_NOT.value, gettext_lazy("is not")),
    (Operator.CONTAINS.value, gettext_lazy("contains")),
    (Operator.NOT_CONTAINS.value, gettext_lazy("does not contain")),
    (Operator.START_WITH.value, gettext_lazy("begins with")),
    (Operator.END_WITH.value, gettext_lazy("ends with")),
    (Operator.IN.value, gettext_lazy("is one of")),
    (Operator.NOT_IN.value, gettext_lazy("is none of")),
    *((each.value, each.value) for each in (Operator.GREATER, Operator.AT_LEAST)),
    *((each.value, each.value) for each in (Operator.LESS, Operator.AT_MOST)),
    (Operator.BEFORE.value, gettext_lazy("earlier than")),
    (Operator.AFTER.value, gettext_lazy("later than")),
    (Operator.EMPTY.value, gettext_lazy("is empty")),
    (Operator.NOT_EMPTY.value, gettext_lazy("is not empty")),
)
COMMA = re.compile("[,，、]")


def value_of(operator: str, text: str) -> Any:
    """What somebody typed beside that operator."""
    if operator in LISTS:
        return [fields.value_of(part) for part in COMMA.split(text) if part.strip()]
    if operator in (Operator.IS, Operator.IS_NOT):
        return fields.value_of(text) if text else None
    return text or None


def read(given: Mapping[str, Any]) -> Filters:
    """`{"logic", "conditions": [{"name", "operator", "value"}]}`. ValidationError keyed by
    `filters`."""
    conditions = tuple(
        _condition(each["name"], each["operator"], each.get("value"))
        for each in given["conditions"]
    )
    return Filters(conditions, match_all=given.get("logic", "and") != "or")


def read_dify(given: Mapping[str, Any]) -> Filters:
    """As Dify's External Knowledge API says it: a condition may name several fields, which is one
    condition each. ValueError."""
    try:
        conditions = tuple(
            _condition(name, each["comparison_operator"], each.get("value"))
            for each in given["conditions"]
            for name in ([each["name"]] if isinstance(each["name"], str) else each["name"])
        )
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error
    return Filters(conditions, match_all=given.get("logical_operator") != "or")


def _condition(name: str, operator: str, value: Any) -> Condition:
    if operator not in {*Operator}:
        raise _refused(_("There is no operator “%(name)s”.") % {"name": operator})
    known = Operator(operator)
    if known in NO_VALUE:
        return Condition(name, known)
    if value is None:
        raise _refused(_("“%(name)s” needs a value.") % {"name": name})
    if known in LISTS:
        return Condition(name, known, value if isinstance(value, list) else [value])
    if isinstance(value, list):
        raise _refused(_("“%(name)s” takes one value.") % {"name": name})
    if known in NUMERIC:
        return Condition(name, known, _number(name, value))
    if known in TIMES:
        return Condition(name, known, _time(name, value))
    return Condition(name, known, value)


def _refused(text: str) -> ValidationError:
    return ValidationError({"filters": [text]})


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _refused(_("“%(name)s” is compared with a number.") % {"name": name}) from error


def _time(name: str, value: Any) -> float | datetime:
    if isinstance(value, int | float):
        return float(value)
    try:
        found = parse_datetime(str(value)) or datetime.fromisoformat(str(value))
        return found.timestamp()
    except ValueError as error:
        raise _refused(_("“%(name)s” is compared with a time.") % {"name": name}) from error
