"""Records as the layouts know them: cells of a table get their types, columns their names."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from training.formats.items import Item
from training.formats.nesting import pick
from training.formats.reading import Kind, Reading

# Columns that hold lists or objects; in a table they stand as JSON.
NESTED = {"history", "conversations", "messages"}
# How JSON begins in a cell that may also hold plain text: an answer, or the name of one picture.
MAYBE_JSON = {"chosen": "{", "rejected": "{", "images": "["}
ANSWERS = {"chosen", "rejected"}
FLAGS = {
    **dict.fromkeys(("true", "1", "1.0", "yes", "y", "good", "like", "up", "是", "好", "赞"), True),
    **dict.fromkeys(("false", "0", "0.0", "no", "n", "bad", "dislike", "down"), False),
    **dict.fromkeys(("否", "坏", "踩"), False),
}
PLAIN_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class ColumnMap:
    """Where the columns of a layout come from. `columns`: its names and the paths they are read
    from; `roles`: in conversations the fields `role` and `content` of a turn, and what its
    speakers are called: `user`, `assistant`, `system`, `call`, `result`, several split by commas.
    """

    format: str
    columns: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def apply(self, record: Mapping[str, Any]) -> dict[str, Any]:
        mapped = {
            name: typed(name, pick(record, path), is_chosen=True)
            for name, path in self.columns.items()
        }
        for name in ("conversations", "messages"):
            if isinstance(mapped.get(name), list):
                mapped[name] = [self._turn(turn, name) for turn in mapped[name]]
        if "conversations" in mapped or "messages" in mapped:
            name = "messages" if "messages" in mapped else "conversations"
            mapped |= {key: self._answer(mapped[key], name) for key in ANSWERS & mapped.keys()}
        return mapped

    def unused(self, record: Mapping[str, Any]) -> frozenset[str]:
        heads = {path if path in record else path.split(".")[0] for path in self.columns.values()}
        return frozenset(name for name in record if name not in heads)

    def _answer(self, value: object, column: str) -> object:
        """An answer of a pair may be a turn or its text."""
        if isinstance(value, str):
            names = TURNS[column]
            return {names["role"]: names["assistant"], names["content"]: value}
        return self._turn(value, column)

    def _turn(self, turn: object, column: str) -> object:
        if not isinstance(turn, dict):
            return turn
        names = TURNS[column]
        role, content = self.roles.get("role"), self.roles.get("content")
        found = turn.get(role or names["role"])
        spoken = {names["role"]: names.get(self._speaker(found), found)}
        spoken[names["content"]] = turn.get(content or names["content"])
        return {**spoken, **{key: turn[key] for key in ("tool_calls",) if key in turn}}

    def _speaker(self, role: object) -> str:
        """Which speaker a role of the file is; "" for one that is not named here."""
        for speaker in ("user", "assistant", "system", "call", "result"):
            if str(role).strip() in spellings(self.roles.get(speaker, "")):
                return speaker
        return ""


# How the two families of conversations write a turn.
TURNS: dict[str, dict[str, str]] = {
    "conversations": {
        "role": "from",
        "content": "value",
        "user": "human",
        "assistant": "gpt",
        "system": "system",
        "call": "function_call",
        "result": "observation",
    },
    "messages": {
        "role": "role",
        "content": "content",
        "user": "user",
        "assistant": "assistant",
        "system": "system",
        "call": "function_call",
        "result": "tool",
    },
}


def spellings(text: str) -> set[str]:
    return {part.strip() for part in text.replace("，", ",").split(",") if part.strip()}


def typed(name: str, value: Any, *, is_chosen: bool = False) -> Any:
    """A cell as the layouts want it. `is_chosen`: somebody has said that it is this column, so
    that 0 and 1 are verdicts too."""
    if name in ("kto_tag", "label"):
        words = FLAGS if is_chosen or name == "kto_tag" else PLAIN_FLAGS
        is_word = isinstance(value, str | int | float) and not isinstance(value, bool)
        return words.get(str(value).strip().lower(), value) if is_word else value
    if not isinstance(value, str):
        return value
    if name in NESTED and not value.strip():
        return None
    begins = MAYBE_JSON.get(name)
    if name in NESTED or (begins and value.lstrip().startswith(begins)):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


def shaped(items: Iterator[Item], reading: Reading, mapping: ColumnMap | None) -> Iterator[Item]:
    """`items` with known names and types."""
    if mapping is not None:
        return _mapped(items, mapping)
    return _cells(items) if reading.kind == Kind.TABLE else items


def _cells(items: Iterator[Item]) -> Iterator[Item]:
    for item in items:
        if item.problem is None:
            value = {name: typed(name, cell) for name, cell in item.value.items()}
            yield replace(item, value=value)
        else:
            yield item


def _mapped(items: Iterator[Item], mapping: ColumnMap) -> Iterator[Item]:
    for item in items:
        if item.problem is None and isinstance(item.value, dict):
            unused = mapping.unused(item.value)
            yield replace(item, value=mapping.apply(item.value), unused=unused)
        else:
            yield item
