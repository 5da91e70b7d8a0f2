"""Templates are plain text with places: `{{name}}` needs a value, `{{name|default}}` has one.

Substitution happens once, from left to right: what a value holds is never read as a place, and
nothing is evaluated. Braces around anything that is not a name stay as they are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

# A name is letters (of any script), digits and _, and starts with a letter.
PLACE = re.compile(r"\{\{[ \t]*([^\W\d_]\w{0,49})[ \t]*(?:\|([^{}]*))?\}\}")


@dataclass(frozen=True)
class Variable:
    """`default` is None where a value is required."""

    name: str
    default: str | None = None

    @property
    def required(self) -> bool:
        return self.default is None


class VariablesDiffer(Exception):
    """The values don't fit the template: `missing` have none, `unknown` have no place."""

    def __init__(self, missing: list[str], unknown: list[str]) -> None:
        super().__init__(f"missing: {missing}, unknown: {unknown}")
        self.missing = missing
        self.unknown = unknown


def variables_of(text: str) -> list[Variable]:
    """Each variable once, in the order of appearance; the first default that is given counts."""
    found: dict[str, str | None] = {}
    for match in PLACE.finditer(text):
        name, default = match[1], match[2]
        if found.get(name) is None:
            found[name] = default.strip() if default is not None else None
    return [Variable(name, default) for name, default in found.items()]


def render(text: str, values: Mapping[str, str]) -> str:
    """`text` with every place filled. Raises VariablesDiffer.

    An empty value counts as none where a value is required, and as itself where there is a default.
    """
    known = {variable.name: variable for variable in variables_of(text)}
    filled = {name: variable.default or "" for name, variable in known.items()}
    filled |= {name: value for name, value in values.items() if name in known}
    missing = [name for name, variable in known.items() if variable.required and not filled[name]]
    unknown = [name for name in values if name not in known]
    if missing or unknown:
        raise VariablesDiffer(missing, unknown)
    return PLACE.sub(lambda match: filled[match[1]], text)
