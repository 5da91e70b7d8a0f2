"""Records that are learned from and asked about: what is known by heart proves nothing."""

from django.utils.translation import ngettext

from llmplatform.arrays import np
from training.dataset_lines import hashes_of
from training.models import Dataset


def shared_records(dataset: Dataset, eval_dataset: Dataset) -> int:
    """How many records of `eval_dataset` stand in `dataset`, too, word by word."""
    if not dataset.has_file or not eval_dataset.has_file:
        return 0
    return int(np.isin(hashes_of(eval_dataset.file), hashes_of(dataset.file)).sum())


def notes(dataset: Dataset, eval_dataset: Dataset | None) -> list[tuple[str, str]]:
    """For somebody who is still choosing."""
    count = shared_records(dataset, eval_dataset) if eval_dataset is not None else 0
    if not count or eval_dataset is None:
        return []
    text = ngettext(
        "%(n)s of its %(records)s records is also learned from, which makes the evaluation look "
        "better than it is. Split a dataset on its page to get parts without leaks.",
        "%(n)s of its %(records)s records are also learned from, which makes the evaluation look "
        "better than it is. Split a dataset on its page to get parts without leaks.",
        count,
    )
    shown = {"n": f"{count:,}", "records": f"{eval_dataset.records:,}"}
    return [("eval_dataset", text % shown)]
