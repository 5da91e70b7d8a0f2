"""How a person says a file is to be read, checked and kept with the dataset."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llmplatform.text import enumerated
from training.formats.prose import Split
from training.formats.reading import SUFFIXES, Kind, Reading
from training.formats.source import ENCODINGS
from training.formats.tables import DELIMITERS

ENCODING_CHOICES = list(ENCODINGS.items())
DELIMITER_CHOICES: list[tuple[str, str | Promise]] = [
    ("", gettext_lazy("Find out")),
    (",", gettext_lazy("Comma ,")),
    (";", gettext_lazy("Semicolon ;")),
    ("tab", gettext_lazy("Tab")),
    ("|", gettext_lazy("Vertical bar |")),
]
QUOTE_CHOICES: list[tuple[str, str | Promise]] = [
    ('"', gettext_lazy("Double quotation mark")),
    ("'", gettext_lazy("Apostrophe")),
    ("none", gettext_lazy("None: quotation marks are text")),
]
SPLIT_CHOICES: list[tuple[str, str | Promise]] = [
    (Split.PARAGRAPHS, gettext_lazy("Paragraphs: up to the next empty line")),
    (Split.LINES, gettext_lazy("Lines")),
    (Split.BLOCKS, gettext_lazy("Blocks of equal length")),
]
MIN_BLOCK_CHARS, MAX_BLOCK_CHARS = 50, 100_000
PATH_CHARS = 200


def reading_of(file_name: str, options: Mapping[str, Any] | None = None) -> Reading:
    """By the ending of the name, and what was chosen. ValidationError keyed by field; an option
    that is absent or empty stays as it is for such files."""
    suffix = Path(file_name).suffix.lower()
    reading = Reading(kind=SUFFIXES.get(suffix, Kind.JSON))
    if suffix == ".tsv":
        reading = replace(reading, delimiter="\t")
    given = {name: value for name, value in (options or {}).items() if value not in (None, "")}
    _check(given)
    if "delimiter" in given:
        mark = given["delimiter"]
        reading = replace(reading, delimiter="\t" if mark == "tab" else mark)
    if "quote" in given:
        reading = replace(reading, quote="" if given["quote"] == "none" else given["quote"])
    for name in ("encoding", "has_header", "split", "block_chars", "rows"):
        if name in given:
            reading = replace(reading, **{name: given[name]})
    return reading


def _check(given: Mapping[str, Any]) -> None:
    known: dict[str, list[str]] = {
        "encoding": list(ENCODINGS),
        "delimiter": [*DELIMITERS, "tab"],
        "quote": [value for value, _label in QUOTE_CHOICES],
        "split": [*Split],
    }
    wrong = {
        name: [_("This is none of the choices: %(choices)s.") % {"choices": enumerated(choices)}]
        for name, choices in known.items()
        if name in given and given[name] not in choices
    }
    chars = given.get("block_chars", MIN_BLOCK_CHARS)
    if not MIN_BLOCK_CHARS <= chars <= MAX_BLOCK_CHARS:
        text = _("Between %(least)d and %(most)d characters.")
        wrong["block_chars"] = [text % {"least": MIN_BLOCK_CHARS, "most": MAX_BLOCK_CHARS}]
    if len(str(given.get("rows", ""))) > PATH_CHARS:
        wrong["rows"] = [_("This path is too long.")]
    if wrong:
        raise ValidationError(wrong)


def as_json(reading: Reading) -> dict[str, Any]:
    """What differs from the rule, in the words of `reading_of`."""
    plain = asdict(Reading(kind=reading.kind))
    chosen = {name: value for name, value in asdict(reading).items() if value != plain[name]}
    if chosen.get("delimiter") == "\t":
        chosen["delimiter"] = "tab"
    if chosen.get("quote") == "":
        chosen["quote"] = "none"
    return {name: str(value) if name == "split" else value for name, value in chosen.items()}
