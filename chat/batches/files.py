"""Files of prompts: TXT has a prompt a line, CSV names its columns in the first line, JSON is a
list and JSONL a line each of what chat/batches/questions.py can read.
"""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from chat.batches.questions import INPUT_NAMES, PROMPT_NAMES, Reading, Unusable

FILE_BYTES = 10 * 1_048_576
SUFFIXES = (".txt", ".csv", ".json", ".jsonl")


def from_file(name: str, content: bytes) -> Reading:
    """ValidationError keyed by "file" for what is no such file at all."""
    suffix = PurePath(name).suffix.casefold()
    if suffix not in SUFFIXES:
        raise _refusal(_("Choose a file that ends in .txt, .csv, .json or .jsonl."))
    if len(content) > FILE_BYTES:
        size = FILE_BYTES // 1_048_576
        raise _refusal(_("The file is larger than %(size)d MB.") % {"size": size})
    rows = {".txt": _txt, ".csv": _csv, ".json": _json, ".jsonl": _jsonl}[suffix]
    reading = Reading()
    for line, row in rows(_decoded(content)):
        if isinstance(row, Unusable):
            reading.problems.append((line, str(row)))
        else:
            reading.take(line, row)
    return reading


def _refusal(text: str) -> ValidationError:
    return ValidationError({"file": [text]})


def _decoded(content: bytes) -> str:
    """Excel writes CSV in the encoding of its country, which in China is GB 18030."""
    has_mark = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if has_mark else ("utf-8-sig", "gb18030"):
        with suppress(UnicodeDecodeError):
            return content.decode(encoding)
    raise _refusal(_("The characters of this file cannot be read. Save it as UTF-8."))


Rows = Iterator[tuple[int, object]]


def _txt(text: str) -> Rows:
    return ((n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip())


def _csv(text: str) -> Rows:
    rows = table(text)
    names = {name.casefold() for name in rows.names}
    if not names & {*PROMPT_NAMES, *INPUT_NAMES}:
        text = _(
            "No column is called prompt. The first line names the columns: prompt and, if you "
            "like, reference and system."
        )
        raise _refusal(text)
    yield from rows.rows


@dataclass(frozen=True)
class Table:
    names: list[str]
    rows: list[tuple[int, dict[str, str]]]


def table(text: str) -> Table:
    """CSV with a heading; rows with the line they end in. ValidationError keyed by "file"."""
    csv.field_size_limit(FILE_BYTES)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        names = [(name or "").strip() for name in reader.fieldnames or ()]
        rows = []
        for row in reader:
            values = {str(name).strip(): value or "" for name, value in row.items() if name}
            if any(value.strip() for value in values.values()):
                rows.append((reader.line_num, values))
    except csv.Error as error:
        text = _("Line %(line)d is no CSV: %(error)s")
        raise _refusal(text % {"line": reader.line_num, "error": error}) from error
    return Table(names, rows)


def _jsonl(text: str) -> Rows:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, Unusable(_("No valid JSON: %(error)s") % {"error": error})


def _json(text: str) -> Rows:
    """The items of a list, each with the line it begins in."""
    decoder, at, line = json.JSONDecoder(), 0, 1
    start = len(text) - len(text.lstrip())
    if text[start : start + 1] != "[":
        raise _refusal(_("The file is no list: it has to begin with [."))
    place = start + 1
    while True:
        while text[place : place + 1] and text[place] in " \t\r\n,":
            place += 1
        line += text.count("\n", at, place)
        at = place
        if text[place : place + 1] == "]":
            return
        try:
            row, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            yield (
                getattr(error, "lineno", line),
                Unusable(
                    _("No valid JSON, and nothing is read from here on: %(error)s")
                    % {"error": error}
                ),
            )
            return
        yield line, row
