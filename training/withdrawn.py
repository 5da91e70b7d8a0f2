"""Which records of a dataset were taken back by the people they came from."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmplatform.arrays import np
from training.dataset_lines import hashes_of
from training.models import Dataset, WithdrawnRecord

if TYPE_CHECKING:
    import numpy.typing as npt


def holds(dataset: Dataset, line_hashes: Iterable[int]) -> "npt.NDArray[np.bool_]":
    """For each record, whether it is one of these (numbers with a sign)."""
    wanted = np.fromiter(line_hashes, np.int64)
    return np.isin(np.asarray(hashes_of(dataset.file)).view(np.int64), wanted)


def taken_back(dataset: Dataset) -> frozenset[int]:
    """The numbers of its records, from 1, that may go into no other version."""
    rows = WithdrawnRecord.objects.filter(owner=dataset.owner_id)
    withdrawn = list(rows.values_list("line_hash", flat=True))
    if not withdrawn or not dataset.has_file:
        return frozenset()
    return frozenset(int(index) + 1 for index in holds(dataset, withdrawn).nonzero()[0])
