"""New versions of a dataset, and what makes them: the part that writes.

What a work's `request` holds, by kind:

edit     {"number", "record"}
exclude  {"numbers": [..]} or {"duplicates": "exact" | "near"}
append   {"records": [..]} or {"dataset"}
split    {"share", "seed", "together": "exact" | "near"}      dataset_splits.py
mix      {"name", "sources": [{"dataset", "weight"}], "seed"}  dataset_mixes.py
export   {"file", "format"}                                    dataset_exports.py
import   {"file_name"}; the upload has its options             dataset_uploads.py
         {"file_name", "name", "options", "mapping"}; a draft  drafts.py

Record numbers count from 1, as people are shown them.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.arrays import np
from training import dataset_files, dataset_uploads, dataset_work, datasets
from training.dataset_lines import first_of_each, hashes_of
from training.dataset_texts import reason
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.formats.items import Item
from training.formats.pictures import COLUMN, check_marks
from training.formats.problems import Problem
from training.models import Dataset, DatasetWork, WorkKind
from training.withdrawn import taken_back

PASTED_RECORDS = 1000
LISTED_NUMBERS = 50


def _with_file(dataset: Dataset) -> Dataset:
    if not dataset.has_file:
        raise ValidationError({"dataset": [_("The file of this dataset is missing.")]})
    return dataset


def _cleaned(dataset: Dataset, record: Any) -> dict[str, Any]:
    """The record as it will be stored. ValidationError keyed by "record"."""
    layout = layout_of(dataset.format, dataset.layout)
    album = datasets.album_of(dataset)
    try:
        if not isinstance(record, dict):
            raise Problem("not_object")
        cleaned = layout.clean(record)
        if album.is_strict or COLUMN in cleaned:
            check_marks(layout, cleaned)
        for name in cleaned.get(COLUMN, ()):
            album.keep(name, None)
        return cleaned
    except Problem as problem:
        raise ValidationError({"record": [reason(problem.code, problem.params)]}) from problem


def edit(*, dataset: Dataset, actor: User, number: int, record: Any) -> DatasetWork:
    """A new version with another record in that place. ValidationError keyed by field."""
    _with_file(dataset)
    _check_numbers(dataset, [number])
    cleaned = _cleaned(dataset, record)
    return _ask(dataset, actor, WorkKind.EDIT, {"number": number, "record": cleaned})


def exclude(
    *, dataset: Dataset, actor: User, numbers: Sequence[int] = (), duplicates: str = ""
) -> DatasetWork:
    """A new version without these records, or without repetitions."""
    _with_file(dataset)
    if bool(numbers) == bool(duplicates):
        raise ValidationError({"numbers": [_("Choose records, or duplicates.")]})
    if duplicates:
        if duplicates not in ("exact", "near"):
            raise ValidationError({"duplicates": [_("Choose exact or near duplicates.")]})
        return _ask(dataset, actor, WorkKind.EXCLUDE, {"duplicates": duplicates})
    _check_numbers(dataset, numbers)
    if len(set(numbers)) >= dataset.records:
        raise ValidationError({"numbers": [_("At least one record must stay.")]})
    return _ask(dataset, actor, WorkKind.EXCLUDE, {"numbers": sorted(set(numbers))})


def _check_numbers(dataset: Dataset, numbers: Iterable[int]) -> None:
    if any(not 1 <= number <= dataset.records for number in numbers):
        raise ValidationError({"numbers": [_("There is no record with this number.")]})


def append(
    *,
    dataset: Dataset,
    actor: User,
    records: Sequence[Any] = (),
    other: Dataset | None = None,
) -> DatasetWork:
    """A new version with more records at its end: given ones, or those of another dataset."""
    _with_file(dataset)
    if bool(records) == (other is not None):
        raise ValidationError({"records": [_("Enter records, or choose a dataset.")]})
    if other is not None:
        return _append_dataset(dataset, actor, _with_file(other))
    if len(records) > PASTED_RECORDS:
        text = _("At most %(limit)d records at once. Upload a file for more.")
        raise ValidationError({"records": [text % {"limit": PASTED_RECORDS}]})
    cleaned, problems = [], []
    for number, record in enumerate(records, start=1):
        try:
            cleaned.append(_cleaned(dataset, record))
        except ValidationError as error:
            text = _("Record %(number)d: %(reason)s")
            problems.append(text % {"number": number, "reason": error.messages[0]})
    if problems:
        raise ValidationError({"records": problems[:10]})
    return _ask(dataset, actor, WorkKind.APPEND, {"records": cleaned})


def _append_dataset(dataset: Dataset, actor: User, other: Dataset) -> DatasetWork:
    if not same_columns(dataset, other):
        text = _("“%(name)s” has another format.")
        raise ValidationError({"dataset": [text % {"name": other.name}]})
    size = dataset.work_bytes + other.work_bytes
    return _ask(dataset, actor, WorkKind.APPEND, {"dataset": other.pk}, size)


def same_columns(dataset: Dataset, other: Dataset) -> bool:
    """Whether the records of one can stand among those of the other."""
    if not (dataset.layout and other.layout):
        return False
    ours = layout_of(dataset.format, dataset.layout)
    return ours == layout_of(other.format, other.layout)


def _ask(
    dataset: Dataset, actor: User, kind: str, request: dict[str, Any], size: int | None = None
) -> DatasetWork:
    return dataset_work.ask(
        owner=actor,
        kind=kind,
        dataset=dataset,
        request=request,
        size_bytes=dataset.work_bytes if size is None else size,
    )


def restore(*, dataset: Dataset, actor: User, request: HttpRequest | None = None) -> Dataset:
    """Go back: a new version that is what `dataset` is. Takes no room on the disk."""
    _with_file(dataset)
    if taken_back(dataset):
        text = _(
            "People have taken back records of this version, so it cannot be the newest again."
        )
        raise ValidationError({"dataset": [text]})
    kept = {
        field.attname: getattr(dataset, field.attname)
        for field in Dataset._meta.concrete_fields
        if field.name not in ("id", "created_at", "version", "path")
    }
    restored = Dataset(**kept)
    restored.parent, restored.author = dataset, actor
    restored.change = {"kind": "restore", "version": dataset.version}
    with dataset_files.new_folder() as folder:
        restored.path = dataset_files.link(dataset.file, folder)
        with transaction.atomic():
            restored.take_next_version()
            restored.save()
            after = {"version": restored.version, "restored": dataset.version}
            audit(
                actor=actor, action="dataset.restore", target=restored, after=after, request=request
            )
            dataset_files.settle(folder)
    return restored


def new_version(source: Dataset, change: dict[str, Any]) -> Dataset:
    """Not saved yet."""
    return Dataset(
        owner=source.owner,
        name=source.name,
        file_name=source.file_name,
        family=source.family,
        parent=source,
        change=change,
    )


def perform(work: DatasetWork, progress: Progress) -> None:
    """Do what `work` asks for. Raises Refusal, ValidationError, Superseded."""
    from training import dataset_exports, dataset_mixes, dataset_splits, dataset_statistics

    kinds = {
        WorkKind.IMPORT: dataset_uploads.perform,
        WorkKind.SPLIT: dataset_splits.perform,
        WorkKind.MIX: dataset_mixes.perform,
        WorkKind.STATISTICS: dataset_statistics.perform,
        WorkKind.EXPORT: dataset_exports.perform,
    }
    kinds.get(WorkKind(work.kind), _perform_change)(work, progress)


def _perform_change(work: DatasetWork, progress: Progress) -> None:
    source = work.dataset
    if work.results or source is None:
        return
    _with_file(source)
    items, change, total = _changed(work, source, progress)
    other = _other(work)
    album = datasets.album_of(source, *([other] if other else []))
    album.is_strict |= any(COLUMN in record for record in _given(work))
    progress.begin("writing", total)
    datasets.store(
        new_version(source, {"kind": work.kind, **change}),
        progress.counted(items),
        layout_of(source.format, source.layout),
        album=album,
        action=f"dataset.{work.kind}",
        actor=work.owner,
        on_saved=progress.made,
        parent=source.version,
    )


def _changed(
    work: DatasetWork, source: Dataset, progress: Progress
) -> tuple[Iterator[Item], dict[str, Any], int]:
    """The records of the new version, what is told of the change, and how many they are about."""
    items = datasets.kept_items(source)
    asked = work.request
    if work.kind == WorkKind.EDIT:
        number = asked["number"]
        changed = (Item(i.line, asked["record"]) if i.line == number else i for i in items)
        return changed, {"numbers": [number]}, source.records
    if work.kind == WorkKind.EXCLUDE:
        gone = _excluded(source, asked, progress)
        told = {"count": len(gone), "numbers": sorted(gone)[:LISTED_NUMBERS]}
        told |= {"duplicates": asked["duplicates"]} if "duplicates" in asked else {}
        return (i for i in items if i.line not in gone), told, source.records - len(gone)
    if "records" in asked:
        more = (Item(n, record) for n, record in enumerate(asked["records"], start=1))
        count = len(asked["records"])
        return itertools.chain(items, more), {"count": count}, source.records + count
    other = _other(work)
    if other is None:
        raise ValidationError(_("The dataset that was to be added is gone."))
    told = {"count": other.records, "from": str(other)}
    joined = itertools.chain(items, datasets.kept_items(_with_file(other)))
    return joined, told, source.records + other.records


def _given(work: DatasetWork) -> list[dict[str, Any]]:
    """Records that somebody has typed in."""
    asked = work.request
    return [*asked.get("records", ()), *([asked["record"]] if "record" in asked else [])]


def _other(work: DatasetWork) -> Dataset | None:
    """The dataset whose records are to be added, if it is one's."""
    rows = Dataset.objects.for_user(work.owner)
    return rows.filter(pk=work.request["dataset"]).first() if "dataset" in work.request else None


def _excluded(source: Dataset, asked: dict[str, Any], progress: Progress) -> set[int]:
    if "numbers" in asked:
        return set(asked["numbers"])
    if asked["duplicates"] == "exact":
        is_kept = first_of_each(hashes_of(source.file))
    else:
        from training.dataset_likeness import groups_of

        is_kept = first_of_each(groups_of(source, progress).astype(np.uint64))
    gone = {int(index) + 1 for index in (~is_kept).nonzero()[0]}
    if not gone:
        raise ValidationError(_("There are no duplicates."))
    return gone
