"""Which layout a file is written in."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO

from training.formats.alpaca import Alpaca
from training.formats.conversations import OPENAI, SHAREGPT, Conversations
from training.formats.items import Item
from training.formats.layouts import Answer, Layout
from training.formats.problems import Problem, Refusal, Rejection, names_of, short
from training.formats.reading import Reading, read_items
from training.formats.shaping import ColumnMap, shaped
from training.formats.text import Text

AUTO = "auto"
PROBED_RECORDS = 100
SHOWN_REASONS = 10

# The more specific first: a preference record may also look like an instruction.
LAYOUTS: tuple[Layout, ...] = (
    Alpaca("preference", Answer.PAIR),
    Conversations("preference", SHAREGPT, Answer.PAIR),
    Conversations("preference", OPENAI, Answer.PAIR),
    Alpaca("kto", Answer.TAGGED),
    Conversations("kto", SHAREGPT, Answer.TAGGED),
    Conversations("kto", OPENAI, Answer.TAGGED),
    Conversations("sharegpt", SHAREGPT, Answer.SINGLE),
    Conversations("openai", OPENAI, Answer.SINGLE),
    Alpaca("alpaca", Answer.SINGLE),
    Text(),
)
FORMATS = tuple(dict.fromkeys(layout.format for layout in LAYOUTS))


def layout_of(format: str, entry: Mapping[str, Any]) -> Layout:
    """The layout that wrote `entry` (a stored dataset's `layout`)."""
    seen = {f"has_{name}": name in entry["columns"] for name in ("history", "images")}
    return next(
        layout for layout in LAYOUTS if layout.format == format and layout.entry(**seen) == entry
    )


def detect(
    file: BinaryIO, reading: Reading, *, format: str = AUTO, mapping: ColumnMap | None = None
) -> Layout:
    """The layout of the first records; with `format`, among those of that name.

    A specific layout wins over a general one that a few more records fit: verdicts that are
    missing here and there must not turn preferences into plain instructions. Refusal when there
    is no record, none is an object, or none has the columns of any layout.
    """
    candidates = [layout for layout in LAYOUTS if format in (AUTO, layout.format)]
    votes: Counter[int] = Counter()
    records: list[Mapping[str, Any]] = []
    failed: list[Rejection] = []
    items = shaped(read_items(file, reading), reading, mapping)
    for record in itertools.islice(_objects(items, failed), PROBED_RECORDS):
        votes.update(n for n, layout in enumerate(candidates) if layout.fits(record))
        records.append({} if len(records) >= SHOWN_REASONS else record)
    if votes:
        enough = max(votes.values()) / 2
        return candidates[min(n for n in votes if votes[n] > enough)]
    if not records:
        raise _no_object(failed)
    if len(records) == 1 and not failed:
        _refuse_wrapped(records[0])
    found = dict.fromkeys(name for record in records for name in record)
    raise Refusal("wrong_columns", found=names_of(list(found)), expected=_expected(candidates))


def _objects(items: Iterable[Item], failed: list[Rejection]) -> Iterable[Mapping[str, Any]]:
    """The objects of the file; what is none goes into `failed`, as far as it is shown."""
    for record, item in enumerate(items, start=1):
        if isinstance(item.value, dict) and item.problem is None:
            yield item.value
        elif len(failed) < SHOWN_REASONS:
            problem = item.problem or Problem("not_object")
            failed.append(Rejection(item.line, record, problem.code, problem.params))


def _no_object(failed: list[Rejection]) -> Refusal:
    if not failed:
        return Refusal("no_records")
    if len(failed) == 1 and failed[0].code == "too_long":
        return Refusal("single_object")
    return Refusal("no_valid_records", rejections=failed)


def _refuse_wrapped(record: Mapping[str, Any]) -> None:
    """Records inside a field of one object: say which."""
    for name, value in record.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            raise Refusal("wrapped", field=short(name))


def _expected(candidates: Iterable[Layout]) -> str:
    """`alpaca: instruction, output; sharegpt: conversations; …`: the first layout of each."""
    first: dict[str, str] = {}
    for layout in candidates:
        first.setdefault(layout.format, layout.expected)
    return "; ".join(f"{name}: {columns}" for name, columns in reversed(first.items()))
