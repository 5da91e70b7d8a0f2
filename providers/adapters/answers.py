"""Whole answers of any dialect: an object, its lists, its counts."""

from collections.abc import Mapping
from typing import Any

import orjson

from providers.errors import InvalidAnswer, error_in

# More tokens than any answer has, and no more than the ledger takes.
MOST = 2**31 - 1


def read_object(body: bytes) -> Mapping[str, Any]:
    """The object a whole answer is. Raises ProviderError, also for an error in an answer of 200."""
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise InvalidAnswer("not JSON") from error
    if not isinstance(answer, Mapping):
        raise InvalidAnswer("not an object")
    found = error_in(answer, body)
    if found is not None:
        raise found
    return answer


def read_vectors(rows: Any) -> list[list[float]]:
    """Raises InvalidAnswer for anything that is no list of vectors of one length."""
    is_list = isinstance(rows, list) and all(isinstance(row, list) for row in rows)
    if not is_list or len({len(row) for row in rows}) > 1:
        raise InvalidAnswer("no vectors")
    return rows  # type: ignore[no-any-return]


def rows_of(answer: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects in the list `name`. Raises InvalidAnswer where there is no list."""
    rows = answer.get(name)
    if not isinstance(rows, list):
        raise InvalidAnswer(f"no {name}")
    return [row for row in rows if isinstance(row, Mapping)]


def as_count(value: Any) -> int | None:
    """Negative numbers, absurd ones and what is no integer are unknown."""
    return value if type(value) is int and 0 <= value <= MOST else None


def count_of(raw: Any, *path: str) -> int | None:
    """The count at `path`."""
    for name in path:
        raw = raw.get(name) if isinstance(raw, dict) else None
    return as_count(raw)
