"""What can be wrong with a record (Problem) or with a whole file (Refusal)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHOWN_CHARS = 40
SHOWN_NAMES = 12
TYPE_NAMES = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "list",
    dict: "object",
    type(None): "null",
}


def type_name(value: object) -> str:
    """A JSON type, in the words of the format."""
    return TYPE_NAMES[type(value)]


def short(value: object) -> str:
    """Text from a file, fit for a message: printable and short."""
    text = str(value)[: SHOWN_CHARS + 1]
    text = "".join(char if char.isprintable() else "�" for char in text)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"


def names_of(names: Sequence[str]) -> str:
    """`a, b, c, …`: the first column names of a record."""
    listed = ", ".join(short(name) for name in names[:SHOWN_NAMES])
    return listed + (", …" if len(names) > SHOWN_NAMES else "")


class Problem(Exception):
    """One record cannot be used. `params` are plain values (text from the file is shortened)."""

    def __init__(self, code: str, **params: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, str | int] = params


@dataclass(frozen=True)
class Rejection:
    """A problem, the line where its record starts and its number (both from 1); `fate`: what the
    trainer would have done with it."""

    line: int
    record: int
    code: str
    params: Mapping[str, str | int]
    fate: str = ""

    def as_json(self) -> dict[str, Any]:
        place = {"line": self.line, "record": self.record}
        return place | {"code": self.code, "params": dict(self.params), "fate": self.fate}


class Refusal(Exception):
    """The file as a whole cannot be used; `rejections` are the first reasons, if records are."""

    def __init__(
        self, code: str, *, rejections: Sequence[Rejection] = (), **params: str | int
    ) -> None:
        super().__init__(code)
        self.code = code
        self.params: Mapping[str, str | int] = params
        self.rejections = rejections
