"""What counts as text that every database can keep and every page can show; money, and what
models are to read, as text."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

# NUL breaks PostgreSQL, lone surrogates break UTF-8 encoding everywhere.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Bidirectional overrides, isolates and controls make a name look like another one.
DECEIVING = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")

ID_DIGITS = 18

SIGNS = {"USD": "$", "CNY": "¥"}


def money(amount: Decimal, currency: str) -> str:
    """For people: cents, and of less than a cent two digits that are not zero."""
    if not amount:
        shown = "0"
    elif abs(amount) >= 1:
        shown = f"{amount:,.2f}"
    else:
        shown = f"{amount:.{max(4, 1 - amount.adjusted())}f}"
    sign = SIGNS.get(currency)
    return f"{sign}{shown}" if sign else f"{currency} {shown}"


def comma() -> str:
    """What stands between the parts of a list; Chinese has one of its own for it."""
    return pgettext("between the parts of a list", ", ")


def enumerated(parts: Iterable[object]) -> str:
    """In a row, with the comma of the reader's language."""
    return comma().join(map(str, parts))


def number_of(text: str, max_digits: int = ID_DIGITS) -> int | None:
    """What the decimal digits in a query or a form say; None if it is anything else, or longer than
    a number that can be meant: Python refuses thousands of digits, a database more than 18."""
    return int(text) if text.isdecimal() and len(text) <= max_digits else None


def storable(value: str) -> str:
    """NFC form of `value`; ValueError if it holds NUL or lone surrogates."""
    if UNSTORABLE.search(value):
        raise ValueError(_("The text contains characters that cannot be stored."))
    return unicodedata.normalize("NFC", value)


def searched(text: str, most_chars: int = 200) -> str:
    """What somebody looks for, as every database can compare it."""
    return UNSTORABLE.sub("", text).strip()[:most_chars]


def in_tags(parts: Mapping[str, str], most_chars: int) -> str:
    """Material for a model to read: each part between tags of its name, cut at `most_chars`."""
    return "\n\n".join(f"<{name}>\n{text[:most_chars]}\n</{name}>" for name, text in parts.items())


def plain_file_name(name: str, max_chars: int = 200) -> str:
    """Of an uploaded file, to show: without folders and without what makes a name look like
    another; of a long one the end, which says what it is. Empty where nothing is left."""
    last = PurePath(name.replace("\\", "/")).name
    return DECEIVING.sub("", UNSTORABLE.sub("", last)).strip()[-max_chars:]


def validate_name(value: str) -> None:
    """Django validator for names that people read in lists."""
    if UNSTORABLE.search(value) or DECEIVING.search(value):
        raise ValidationError(_("The name contains invisible or control characters."))
    if "/" in value or "\\" in value or value.strip(". ") == "":
        raise ValidationError(_("The name cannot contain slashes or consist of dots only."))
