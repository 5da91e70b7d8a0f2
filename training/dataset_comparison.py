"""What lies between two versions: which records are only in one of them."""

from dataclasses import dataclass

from training.dataset_files import Records
from training.dataset_lines import hashes_of, missing_from
from training.models import Dataset

SHOWN = 20


@dataclass(frozen=True)
class Side:
    """Records that the other version has not: how many, and the first as (number, record)."""

    count: int
    shown: list[tuple[int, dict[str, object]]]


@dataclass(frozen=True)
class Comparison:
    """From `old` to `new`."""

    old: Dataset
    new: Dataset
    removed: Side
    added: Side
    kept: int


def compare(old: Dataset, new: Dataset) -> Comparison:
    """Records are the same when every character is; their order does not matter."""
    before, after = hashes_of(old.file), hashes_of(new.file)
    gone, come = missing_from(before, after), missing_from(after, before)
    return Comparison(
        old=old,
        new=new,
        removed=_side(old, gone.tolist()),
        added=_side(new, come.tolist()),
        kept=len(before) - len(gone),
    )


def _side(dataset: Dataset, positions: list[int]) -> Side:
    records = Records(dataset.file, dataset.records)
    shown = [(place + 1, records[place : place + 1][0]) for place in positions[:SHOWN]]
    return Side(len(positions), shown)
