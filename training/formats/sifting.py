"""The accepted records of a file into another, and a count of everything that was not."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import orjson

from training.formats.fates import fate_of
from training.formats.fields import MAX_PLACEHOLDERS, placeholders_in
from training.formats.findings import Found, note
from training.formats.items import Item
from training.formats.layouts import Layout
from training.formats.pictures import COLUMN, check_marks
from training.formats.problems import Problem, Refusal, Rejection, short

LISTED_REJECTIONS = 100
LISTED_COLUMNS = 20
# Columns that not every record has.
LATE_COLUMNS = {"history", COLUMN}
# In the report; what goes beyond is counted only.
REPORTED_REJECTIONS = 100_000
# Then other threads have theirs: pages and streams of the same process must not wait for a file.
RECORDS_A_TURN = 8
# Arrow, which the trainer reads with, makes times of a column in which every text looks like this.
TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[ T]\d\d(?::?\d\d){0,2}(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass
class Sifted:
    """What came of a file. `leads` are where the first record with a history and the first with
    pictures were written; `report` takes every rejection, one a line."""

    format: str = ""
    report: BinaryIO | None = None
    records: int = 0
    rejected: int = 0
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    findings: dict[str, Found] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    placeholders: set[str] = field(default_factory=set)
    leads: dict[str, tuple[int, int]] = field(default_factory=dict)
    times: set[str] | None = None

    def reject(self, line: int, record: int, problem: Problem) -> None:
        self.rejected += 1
        fate = fate_of(problem.code, problem.params, self.format)
        fates = self.reasons.setdefault(problem.code, {})
        fates[fate] = fates.get(fate, 0) + 1
        rejection = Rejection(line, record, problem.code, problem.params, fate)
        if len(self.rejections) < LISTED_REJECTIONS:
            self.rejections.append(rejection)
        if self.report is not None and self.rejected <= REPORTED_REJECTIONS:
            self.report.write(orjson.dumps(rejection.as_json()) + b"\n")

    def ignore(self, names: Iterable[str]) -> None:
        for name in map(short, names):
            if name not in self.ignored and len(self.ignored) < LISTED_COLUMNS:
                self.ignored.append(name)


def sift(
    items: Iterable[Item],
    layout: Layout,
    target: BinaryIO,
    report: BinaryIO | None = None,
    *,
    keep: Callable[[str], str] = str,
    is_strict: bool = False,
) -> Sifted:
    """Write every accepted record as one line of `target`, every other as one of `report`.
    Refusal when none is accepted.

    `keep`: puts a picture that a record names into its place; the name it has there, or a Problem.
    `is_strict`: some records have pictures, so that no text may have a mark for one too many.
    """
    result = Sifted(layout.format, report)
    used = layout.used
    for record, item in enumerate(items, start=1):
        if record % RECORDS_A_TURN == 0:
            time.sleep(0)
        try:
            if item.problem is not None:
                raise item.problem
            if not isinstance(item.value, dict):
                raise Problem("not_object")
            cleaned = layout.clean(item.value)
            if is_strict:
                check_marks(layout, cleaned)
            if COLUMN in cleaned:
                cleaned[COLUMN] = [keep(name) for name in cleaned[COLUMN]]
        except Problem as problem:
            result.reject(item.line, record, problem)
            continue
        result.ignore(item.value.keys() - used if item.unused is None else item.unused)
        line = orjson.dumps(cleaned) + b"\n"
        note(line, {"line": item.line, "record": record}, result.findings)
        _write(cleaned, line, layout, target, result)
    if not result.records:
        raise Refusal("no_valid_records", rejections=result.rejections)
    if result.times:
        raise Refusal("only_times", field=min(result.times))
    return result


def _write(
    cleaned: dict[str, Any], line: bytes, layout: Layout, target: BinaryIO, result: Sifted
) -> None:
    if b"{{" in line and len(result.placeholders) < MAX_PLACEHOLDERS:
        for turn in layout.turns(cleaned):
            result.placeholders |= placeholders_in(turn.text)
    for name in LATE_COLUMNS & cleaned.keys() - result.leads.keys():
        result.leads[name] = (target.tell(), len(line))
    if result.times is None or result.times:
        _note_times(cleaned, result)
    target.write(line)
    result.records += 1


def _note_times(cleaned: dict[str, Any], result: Sifted) -> None:
    """Keep the columns in which all texts so far are times."""
    times = {name for name, value in cleaned.items() if _is_time(value)}
    result.times = times if result.times is None else result.times & times


def _is_time(value: object) -> bool:
    if isinstance(value, list):
        return all(_is_time(part) for part in value)
    if isinstance(value, dict):  # a turn: its role is none, its text may be
        return any(_is_time(part) for part in value.values())
    return isinstance(value, str) and TIME.fullmatch(value) is not None
