"""Which records of a dataset are alike: MinHash over characters, banded (LSH), in little memory.

A record's text, lower-cased and with single spaces, is the set of its runs of SHINGLE characters.
PERMUTATIONS minima estimate how much of two sets is common (standard error 0.05 at the threshold);
records that share one of BANDS bands are compared, and those with at least ALIKE in common are of
one group, as is whatever is alike to one of them.

data.groups: uint32 for each record, the index (from 0) of the first record of its group.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from llmplatform.arrays import np
from training.dataset_files import GROUPS
from training.dataset_lines import line_hash
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.formats.layouts import Layout
from training.formats.pictures import COLUMN
from training.models import Dataset

if TYPE_CHECKING:
    import numpy.typing as npt

SHINGLE = 4
PERMUTATIONS, BANDS = 64, 16
ROWS = PERMUTATIONS // BANDS
ALIKE = 0.8
MAX_SHINGLES = 4096
PAIRS_AT_ONCE = 32_768
ROW_BYTES = 4 * PERMUTATIONS

Groups: TypeAlias = "npt.NDArray[np.uint32]"
Signature: TypeAlias = "npt.NDArray[np.uint32]"
Words: TypeAlias = "npt.NDArray[np.uint64]"
Indices: TypeAlias = "npt.NDArray[np.intp]"


@dataclass(frozen=True)
class _Chance:
    """Numbers that were drawn once and for all: kept signatures depend on them."""

    factors: Signature
    shifts: Signature
    mix: "np.uint64"
    places: Words


@cache
def _chance() -> _Chance:
    drawn = np.random.default_rng(20240229).integers
    return _Chance(
        factors=drawn(1, 2**31, (PERMUTATIONS, 1), dtype=np.uint32) * 2 + 1,
        shifts=drawn(0, 2**32, (PERMUTATIONS, 1), dtype=np.uint32),
        mix=np.uint64(0x9E3779B97F4A7C15),
        places=drawn(1, 2**63, SHINGLE, dtype=np.uint64) * 2 + 1,
    )


def signature_of(text: str, pictures: Sequence[str] = ()) -> Signature:
    """Texts with other pictures have nothing in common."""
    chance = _chance()
    normal = " ".join(text.lower().split())
    codes = np.frombuffer(normal.encode("utf-32-le", "replace"), np.uint32).astype(np.uint64)
    if len(codes) < SHINGLE:
        codes = np.pad(codes, (0, SHINGLE - len(codes)))
    count = len(codes) - SHINGLE + 1
    shingles = np.zeros(count, np.uint64)
    for place, factor in enumerate(chance.places):
        shingles += codes[place : place + count] * factor
    if pictures:
        shingles ^= np.uint64(line_hash("\n".join(pictures).encode()))
    shingles ^= shingles >> np.uint64(29)
    if count > MAX_SHINGLES:  # those whose number says so: the same in every text
        chosen = shingles[shingles % np.uint64(-(-count // MAX_SHINGLES)) == 0]
        shingles = chosen if len(chosen) else shingles[:1]
    # Of 32 bits, which processors multiply several at a time.
    numbers = (shingles * chance.mix >> np.uint64(32)).astype(np.uint32)
    found: Signature = (numbers * chance.factors + chance.shifts).min(axis=1)
    return found


def texts_of(file: Path, layout: Layout) -> Iterator[tuple[str, list[str]]]:
    """What is compared: everything that is said, in its order, and the names of pictures."""
    from training.datasets import stored_items

    for item in stored_items(file):
        text = "\n".join(turn.text for turn in layout.turns(item.value))
        yield text, item.value.get(COLUMN, [])


def groups_of(dataset: Dataset, progress: Progress) -> Groups:
    """The group of each record; found once, and kept beside the file."""
    kept = dataset.file.with_name(GROUPS)
    if not kept.is_file():
        draft = kept.with_name(f"{progress.work.pk.hex}.signatures")
        try:
            groups = _find(dataset, draft, progress)
        finally:
            draft.unlink(missing_ok=True)
        fresh = kept.with_suffix(".new")
        fresh.write_bytes(groups.tobytes())
        fresh.replace(kept)
    return np.fromfile(kept, np.uint32)


def _find(dataset: Dataset, draft: Path, progress: Progress) -> Groups:
    progress.begin("comparing", dataset.records)
    layout = layout_of(dataset.format, dataset.layout)
    with draft.open("wb") as target:
        for text, pictures in progress.counted(texts_of(dataset.file, layout)):
            target.write(signature_of(text, pictures).tobytes())
    with draft.open("rb") as file:
        return grouped(Stored(file), progress)


class Stored:
    """Signatures in a file, by index. Read and not mapped: pages of a map count as memory of the
    process, and a look here and there at rows of 256 bytes brings in nearly all of them."""

    def __init__(self, file: BinaryIO) -> None:
        self.number = file.fileno()
        self.count = os.fstat(self.number).st_size // ROW_BYTES

    def __len__(self) -> int:
        return self.count

    def columns(self, start: int, stop: int, band: slice) -> Signature:
        """Of neighbours a part."""
        size = (min(stop, self.count) - start) * ROW_BYTES
        data = os.pread(self.number, size, start * ROW_BYTES)
        found: Signature = np.frombuffer(data, np.uint32).reshape(-1, PERMUTATIONS)[:, band]
        return found

    def rows(self, chosen: Indices) -> Signature:
        """Each of them in whole, in this order."""
        places, order = np.unique(chosen, return_inverse=True)
        found = np.empty((len(places), PERMUTATIONS), np.uint32)
        for row, place in zip(found, places.tolist(), strict=True):
            os.preadv(self.number, [row.data], place * ROW_BYTES)
        return found[order]


def grouped(signatures: Stored, progress: Progress | None = None) -> Groups:
    """The first record of each one's group."""
    first = np.arange(len(signatures), dtype=np.uint32)
    for band in range(BANDS):
        if progress is not None:
            progress.reach(len(signatures))
        left, right = _candidates(signatures, slice(band * ROWS, (band + 1) * ROWS))
        for start in range(0, len(left), PAIRS_AT_ONCE):
            chosen = slice(start, start + PAIRS_AT_ONCE)
            _join(first, signatures, left[chosen], right[chosen])
    return first


def _candidates(signatures: Stored, band: slice) -> tuple[Indices, Indices]:
    """Pairs that are equal in this band: each record with the first of its kind, and the one
    before it."""
    keys, mix = np.zeros(len(signatures), np.uint64), _chance().mix
    for start in range(0, len(keys), PAIRS_AT_ONCE):
        here = slice(start, start + PAIRS_AT_ONCE)
        for column in signatures.columns(start, start + PAIRS_AT_ONCE, band).T:
            keys[here] = keys[here] * mix + column
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_same = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    starts = np.searchsorted(ordered, ordered[is_same], side="left")
    left = np.concatenate([order[starts], order[is_same - 1]])
    return left, np.concatenate([order[is_same], order[is_same]])


def _join(first: Groups, signatures: Stored, left: Indices, right: Indices) -> None:
    """Make one group of each pair that is alike; `first` stays flat."""
    apart = first[left] != first[right]
    left, right = left[apart], right[apart]
    if not len(left):
        return
    common = (signatures.rows(left) == signatures.rows(right)).mean(axis=1)
    for one, other in zip(left[common >= ALIKE], right[common >= ALIKE], strict=True):
        low, high = sorted((_root(first, int(one)), _root(first, int(other))))
        first[high] = low
    while (first[first] != first).any():
        first[:] = first[first]


def _root(first: Groups, index: int) -> int:
    while int(first[index]) != index:
        index = int(first[index])
    return index
