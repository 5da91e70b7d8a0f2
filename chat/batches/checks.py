"""What an answer has to fulfil: checks without a model, the same for every answer."""

import json
import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import regex
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from llmplatform.text import UNSTORABLE

CHECKS_MAX, VALUE_CHARS = 20, 2000
# A pattern that takes longer on one answer has lost itself.
PATTERN_S = 0.5
REPEATS_MAX = 10_000
COUNTS = re.compile(r"\{(\d{0,9}),?(\d{0,9})")
Check = dict[str, Any]


class CheckKind(models.TextChoices):
    CONTAINS = "contains", gettext_lazy("contains")
    NOT_CONTAINS = "not_contains", gettext_lazy("does not contain")
    REGEX = "regex", gettext_lazy("matches the pattern")
    IS_JSON = "is_json", gettext_lazy("is JSON")
    EQUALS = "equals_reference", gettext_lazy("equals the reference")
    HOLDS = "contains_reference", gettext_lazy("contains the reference")
    MAX_CHARS = "max_chars", gettext_lazy("characters at most")


WITH_TEXT = (CheckKind.CONTAINS, CheckKind.NOT_CONTAINS, CheckKind.REGEX)
WITH_REFERENCE = (CheckKind.EQUALS, CheckKind.HOLDS)


def checked_checks(rows: Sequence[Mapping[str, Any]]) -> list[Check]:
    """As they are kept. ValidationError keyed by "checks"."""
    if len(rows) > CHECKS_MAX:
        text = _("At most %(count)d checks.") % {"count": CHECKS_MAX}
        raise ValidationError({"checks": [text]})
    return [_checked(row.get("kind"), row.get("value")) for row in rows]


def _checked(kind: Any, value: Any) -> Check:
    problem = ""
    if kind not in CheckKind.values:
        problem = _("There is no such check.")
    elif kind in WITH_TEXT:
        is_fine = isinstance(value, str) and value.strip() and len(value) <= VALUE_CHARS
        if not is_fine or UNSTORABLE.search(value):
            problem = _("Say what the answer is to contain, in %(count)d characters at most.")
            problem %= {"count": VALUE_CHARS}
        elif kind == CheckKind.REGEX:
            problem = _problem_with_pattern(value)
    elif kind == CheckKind.MAX_CHARS:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if not is_number or not 1 <= value <= 1_000_000:
            problem = _("A length is a whole number from 1 on.")
    else:
        return {"kind": kind}
    if problem:
        raise ValidationError({"checks": [problem]})
    return {"kind": kind, "value": value}


def _problem_with_pattern(pattern: str) -> str:
    # Counts in counts multiply, and so does the memory that compiling them takes.
    counts = [int(most or least) for least, most in COUNTS.findall(pattern) if most or least]
    if prod(counts) > REPEATS_MAX:
        text = _("The counts of the pattern multiply to more than %(count)d repetitions.")
        return text % {"count": REPEATS_MAX}
    try:
        regex.compile(pattern)
    except regex.error as error:
        return _("The pattern cannot be read: %(error)s") % {"error": error}
    return ""


def label_of(check: Mapping[str, Any]) -> str:
    """For people: contains “yes”."""
    label = str(CheckKind(check["kind"]).label)
    if check["kind"] == CheckKind.MAX_CHARS:
        return f"{label}: {check['value']:,}"
    return f"{label} “{check['value']}”" if "value" in check else label


def results_of(checks: Sequence[Check], *, answer: str, reference: str) -> list[bool | None]:
    """In the order of `checks`; None where there is nothing to compare with."""
    return [_holds(check["kind"], check.get("value"), answer, reference) for check in checks]


def passed(results: Sequence[bool | None]) -> bool | None:
    """None where nothing was checked."""
    said = [each for each in results if each is not None]
    return all(said) if said else None


def _holds(kind: str, value: Any, answer: str, reference: str) -> bool | None:
    if kind in WITH_REFERENCE and not reference.strip():
        return None
    if kind == CheckKind.CONTAINS:
        return str(value).casefold() in answer.casefold()
    if kind == CheckKind.NOT_CONTAINS:
        return str(value).casefold() not in answer.casefold()
    if kind == CheckKind.EQUALS:
        return answer.split() == reference.split()
    if kind == CheckKind.HOLDS:
        return " ".join(reference.split()).casefold() in " ".join(answer.split()).casefold()
    if kind == CheckKind.MAX_CHARS:
        return len(answer) <= int(value)
    return _is_json(answer) if kind == CheckKind.IS_JSON else _matches(value, answer)


def _is_json(answer: str) -> bool:
    try:
        json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return True


def _matches(pattern: str, answer: str) -> bool:
    """Not in time counts as no."""
    try:
        found = regex.search(pattern, answer, timeout=PATTERN_S, concurrent=True)
    except TimeoutError:
        return False
    return found is not None
