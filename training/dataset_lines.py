"""One number for each stored record: what it is known by again, in other versions too.

data.hashes: uint64 for each line, the beginning of its BLAKE2b. Equal records have equal numbers.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from llmplatform.arrays import np
from training.dataset_files import HASHES

if TYPE_CHECKING:
    import numpy.typing as npt

Hashes: TypeAlias = "npt.NDArray[np.uint64]"


def line_hash(line: bytes) -> int:
    """Of a stored line, its line end included."""
    return int.from_bytes(hashlib.blake2b(line, digest_size=8).digest(), "little")


def hashes_of(file: Path) -> Hashes:
    """Of every record of a stored file, in its order; counted now if nobody has yet."""
    kept = file.with_name(HASHES)
    if not kept.is_file():
        with file.open("rb") as lines:
            write_hashes(file.parent, np.fromiter(map(line_hash, lines), np.uint64))
    return np.memmap(kept, np.uint64, "r") if kept.stat().st_size else np.empty(0, np.uint64)


def write_hashes(folder: Path, hashes: Hashes) -> None:
    draft = folder / f"{HASHES}.new"
    draft.write_bytes(hashes.tobytes())
    draft.replace(folder / HASHES)


def count_duplicates(hashes: Hashes) -> int:
    """Records that are equal to an earlier one."""
    return int(len(hashes) - len(np.unique(hashes)))


def first_of_each(hashes: Hashes) -> "npt.NDArray[np.bool_]":
    """True where no earlier record is equal."""
    is_first = np.zeros(len(hashes), np.bool_)
    is_first[np.unique(hashes, return_index=True)[1]] = True
    return is_first


def missing_from(hashes: Hashes, other: Hashes) -> "npt.NDArray[np.intp]":
    """Positions of the records of `hashes` that `other` has not, or has fewer times."""
    order = np.argsort(hashes, kind="stable")
    ordered = np.asarray(hashes)[order]
    starts = np.searchsorted(ordered, ordered, side="left")
    nth = np.arange(len(ordered)) - starts  # 0 for the first of equal ones, 1 for the second …
    values, counts = np.unique(other, return_counts=True)
    if not len(values):
        return np.arange(len(hashes))
    place = np.minimum(np.searchsorted(values, ordered), len(values) - 1)
    there = np.where(values[place] == ordered, counts[place], 0)
    return np.sort(order[nth >= there])
