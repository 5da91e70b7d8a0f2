"""What pydantic finds wrong with a field, said to people in their language."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

BLANK = _("This field may not be blank.")
LONG = _("This text is too long.")
WHOLE = _("This must be a whole number.")
NUMBER = _("This must be a number.")
FLAG = _("This must be true or false.")
MOMENT = _("This must be a date with a time, such as 2027-01-31T12:00:00Z.")
DAY = _("This must be a date, such as 2027-01-31.")
LIST = _("This must be a list.")
OBJECT = _("This must be an object.")
UUID = _("This must be a UUID.")
CHOICE = _("Choose one of: %(expected)s.")
# By pydantic's types of errors; `%(…)s` is from their context.
TEXTS = {
    "missing": _("This field is required."),
    "string_too_short": BLANK,
    "string_too_long": LONG,
    "too_short": BLANK,
    "too_long": _("At most %(max_length)s entries are allowed."),
    "string_type": _("This must be a text."),
    "string_unicode": _("The text contains characters that cannot be stored."),
    "string_pattern_mismatch": _("This text has another form than is expected."),
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), WHOLE),
    **dict.fromkeys(
        ("float_parsing", "float_type", "decimal_parsing", "decimal_type", "finite_number"), NUMBER
    ),
    "decimal_max_digits": _("At most %(max_digits)s digits are allowed."),
    "decimal_whole_digits": _(
        "At most %(whole_digits)s digits are allowed before the decimal point."
    ),
    "decimal_max_places": _(
        "At most %(decimal_places)s digits are allowed after the decimal point."
    ),
    "greater_than": _("This must be more than %(gt)s."),
    "greater_than_equal": _("This must be at least %(ge)s."),
    "less_than": _("This must be less than %(lt)s."),
    "less_than_equal": _("This must be at most %(le)s."),
    **dict.fromkeys(("bool_parsing", "bool_type"), FLAG),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing"),
        MOMENT,
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        DAY,
    ),
    "list_type": LIST,
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type", "mapping_type"), OBJECT),
    **dict.fromkeys(("uuid_type", "uuid_parsing", "uuid_version"), UUID),
    **dict.fromkeys(("literal_error", "enum"), CHOICE),
    "extra_forbidden": _("There is no such field."),
}


def in_words(found: Mapping[str, Any]) -> str:
    """One of pydantic's findings. What our own validators say is translated already."""
    kind = str(found.get("type"))
    if kind in ("value_error", "assertion_error"):
        return str(found["msg"]).partition(", ")[2] or str(found["msg"])
    if kind not in TEXTS:
        return str(_("This value is not valid."))
    return str(TEXTS[kind]) % (found.get("ctx") or {})
