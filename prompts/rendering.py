"""Templates are plain text with places: `{{name}}` needs a value, `{{name|default}}` has one.

Substitution happens once, from left to right: what a value holds is never read as a place, and
nothing is evaluated. Braces around anything that is not a name stay as they are.
"""

import re
from collections.abc import Mapping

# A name is letters (of any script), digits and _, and starts with a letter.
PLACE = re.compile(r"\{\{[ \t]*([^\W\d_]\w{0,49})[ \t]*(?:\|([^{}]*))?\}\}")


def places_of(text: str) -> dict[str, str | None]:
    """Each name once, in the order of appearance, with the first default that is given."""
    found: dict[str, str | None] = {}
    for match in PLACE.finditer(text):
        name, default = match[1], match[2]
        if found.get(name) is None:
            found[name] = default.strip() if default is not None else None
    return found


def substitute(text: str, values: Mapping[str, str]) -> str:
    """`text` with `values` in its places; each place must have one."""
    return PLACE.sub(lambda match: values[match[1]], text)
