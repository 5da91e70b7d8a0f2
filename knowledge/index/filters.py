"""Which chunks may be found, by their metadata: typed from the form to the engine.

Metadata is kept under names that the engine cannot misread, one for each kind of value:
`s_<hex>` texts, `r_<hex>` the same backwards (for "ends with"), `n_<hex>` numbers and times, where
<hex> is the field's name; `fields` lists the fields that are not empty.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

DOCUMENT = "document"
FIELDS = "fields"


class Operator(StrEnum):
    CONTAINS = "contains"
    NOT_CONTAINS = "not contains"
    START_WITH = "start with"
    END_WITH = "end with"
    IS = "is"
    IS_NOT = "is not"
    IN = "in"
    NOT_IN = "not in"
    EMPTY = "empty"
    NOT_EMPTY = "not empty"
    EQUAL = "="
    NOT_EQUAL = "≠"
    GREATER = ">"
    LESS = "<"
    AT_LEAST = "≥"
    AT_MOST = "≤"
    BEFORE = "before"
    AFTER = "after"


Scalar = str | int | float | bool | datetime


@dataclass(frozen=True)
class Condition:
    """A list of values holds if one of its elements does. Texts are compared by case. The operators
    with a "not" are the exact opposite of their twins, so a missing field fulfils them. Times are
    seconds since 1970 or aware datetimes. The value of `in` is a sequence, of the others a single
    one, of `empty` none."""

    field: str
    operator: Operator
    value: Scalar | Sequence[Scalar] | None = None


@dataclass(frozen=True)
class Filters:
    conditions: tuple[Condition, ...]
    # Dify's `and` and `or`.
    match_all: bool = True


# What every engine can do; each back end translates these and nothing else.
@dataclass(frozen=True)
class Match:
    """One of these values."""

    key: str
    values: Sequence[str] | Sequence[int]


@dataclass(frozen=True)
class Prefix:
    key: str
    text: str


@dataclass(frozen=True)
class Substring:
    key: str
    text: str


@dataclass(frozen=True)
class Range:
    key: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class AnyOf:
    clauses: tuple["Clause", ...]


@dataclass(frozen=True)
class Not:
    clause: "Clause"


Clause = Match | Prefix | Substring | Range | AnyOf | Not
# No field's name is that in hexadecimal.
_NOTHING = Match(FIELDS, ("-",))


def clauses(filters: Filters | None, documents: Sequence[int] | None) -> tuple[Clause, ...]:
    """All of these must hold."""
    found: tuple[Clause, ...] = ()
    if documents is not None:
        found += (Match(DOCUMENT, tuple(documents)),)
    if filters and filters.conditions:
        each = tuple(_clause(condition) for condition in filters.conditions)
        found += each if filters.match_all else (AnyOf(each),)
    return found


def payload(document: int, metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {DOCUMENT: document}
    fields = []
    for name, value in metadata.items():
        values = [each for each in _listed(value) if each is not None and each != ""]
        texts = [_text(each) for each in values if isinstance(each, str | bool)]
        numbers = [_number(each) for each in values if not isinstance(each, str | bool)]
        if texts:
            kept[_key("s", name)] = texts
            kept[_key("r", name)] = [text[::-1] for text in texts]
        if numbers:
            kept[_key("n", name)] = numbers
        if values:
            fields.append(_hex(name))
    if fields:
        kept[FIELDS] = fields
    return kept


def is_number_key(key: str) -> bool:
    return key.startswith("n_")


def _clause(condition: Condition) -> Clause:
    negative = _OPPOSITES.get(condition.operator)
    if negative is not None:
        return Not(_clause(Condition(condition.field, negative, condition.value)))
    return _positive(condition)


_OPPOSITES = {
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.IS_NOT: Operator.IS,
    Operator.NOT_IN: Operator.IN,
    Operator.EMPTY: Operator.NOT_EMPTY,
    Operator.NOT_EQUAL: Operator.EQUAL,
}


def _positive(condition: Condition) -> Clause:
    name, operator, value = condition.field, condition.operator, condition.value
    match operator:
        case Operator.NOT_EMPTY:
            return Match(FIELDS, (_hex(name),))
        case Operator.IN:
            return AnyOf(tuple(_equal(name, each) for each in _listed(value)) or (_NOTHING,))
        case Operator.IS | Operator.EQUAL:
            return _equal(name, _single(condition))
        case Operator.CONTAINS:
            return Substring(_key("s", name), _text(_single(condition)))
        case Operator.START_WITH:
            return Prefix(_key("s", name), _text(_single(condition)))
        case Operator.END_WITH:
            return Prefix(_key("r", name), _text(_single(condition))[::-1])
    return _range(name, operator, _number(_single(condition)))


def _range(name: str, operator: Operator, limit: float) -> Range:
    key = _key("n", name)
    match operator:
        case Operator.GREATER | Operator.AFTER:
            return Range(key, above=limit)
        case Operator.LESS | Operator.BEFORE:
            return Range(key, below=limit)
        case Operator.AT_LEAST:
            return Range(key, at_least=limit)
        case _:
            return Range(key, at_most=limit)


def _equal(name: str, value: Scalar) -> Clause:
    if isinstance(value, str | bool):
        return Match(_key("s", name), (_text(value),))
    number = _number(value)
    return Range(_key("n", name), at_least=number, at_most=number)


def _single(condition: Condition) -> Scalar:
    value = condition.value
    if value is None or (isinstance(value, Sequence) and not isinstance(value, str)):
        raise ValueError(f"“{condition.operator}” needs one value.")
    return value


def _listed(value: Any) -> Iterable[Any]:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return value
    return () if value is None else (value,)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> float:
    """Raises ValueError for what is no number."""
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _key(kind: str, name: str) -> str:
    return f"{kind}_{_hex(name)}"


def _hex(name: str) -> str:
    return name.encode().hex()
