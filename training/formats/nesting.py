"""Records that lie inside larger values: `data.paragraphs.qas` of a reading comprehension file."""

from collections.abc import Iterator, Mapping
from typing import Any

from llmplatform.text import number_of
from training.formats.items import Item
from training.formats.problems import Problem

MAX_DEPTH = 6
MAX_COLUMNS = 60


def expanded(items: Iterator[Item], path: str) -> Iterator[Item]:
    """A record for each value at `path`, with what stands above it: `data.title` beside its own
    fields. An item that has nothing there is a problem."""
    steps = path.split(".")
    for item in items:
        if item.problem is not None:
            yield item
            continue
        found = False
        for row in _rows(item.value, steps, "", {}):
            found = True
            yield Item(item.line, row)
        if not found:
            yield Item(item.line, problem=Problem("nothing_there", field=path))


def _rows(
    value: Any, steps: list[str], prefix: str, above: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for part in value:
            yield from _rows(part, steps, prefix, above)
        return
    if not steps:
        own = value if isinstance(value, dict) else {"value": value}
        yield {**above, **own}
        return
    if not isinstance(value, dict) or value.get(steps[0]) is None:
        return
    carried = {
        f"{prefix}{name}": part for name, part in value.items() if not isinstance(part, dict | list)
    }
    inner = f"{prefix}{steps[0]}."
    yield from _rows(value[steps[0]], steps[1:], inner, {**above, **carried})


def pick(record: Mapping[str, Any], path: str) -> Any:
    """The value at `answers.0.text`; None where there is nothing. A name with dots in it wins."""
    if path in record:
        return record[path]
    value: Any = record
    for step in path.split("."):
        if isinstance(value, list) and step.isdecimal():
            index = number_of(step)
            value = value[index] if index is not None and index < len(value) else None
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def columns_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every column that can be picked, and its value: the names of the record, and below them."""
    found: dict[str, Any] = {}
    for name, value in record.items():
        found[name] = value
        _below(value, name, found, MAX_DEPTH - 1)
        if len(found) >= MAX_COLUMNS:
            break
    return dict(list(found.items())[:MAX_COLUMNS])


def _below(value: Any, prefix: str, found: dict[str, Any], depth: int) -> None:
    parts: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list) and value and not _is_conversation(value):
        parts = [("0", value[0])]
    if not depth or len(found) >= MAX_COLUMNS:
        return
    for name, part in parts:
        path = f"{prefix}.{name}"
        if not isinstance(part, dict | list):
            found[path] = part
        _below(part, path, found, depth - 1)


def _is_conversation(value: list[Any]) -> bool:
    """Turns are mapped as a whole."""
    return len(value) > 1 and all(isinstance(part, dict) and len(part) < 5 for part in value)


def paths_to_rows(value: Any, depth: int = 4) -> list[str]:
    """Where lists of objects lie inside an object, the deepest last."""
    found: list[str] = []
    if not isinstance(value, dict) or not depth:
        return found
    for name, part in value.items():
        first = part[0] if isinstance(part, list) and part else None
        if isinstance(first, dict):
            found.append(name)
            found += [f"{name}.{below}" for below in paths_to_rows(first, depth - 1)]
        elif isinstance(part, dict):
            found += [f"{name}.{below}" for below in paths_to_rows(part, depth - 1)]
    return found
