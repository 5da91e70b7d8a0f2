"""API: what is made of a dataset, and what is known about it."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router

from accounts.access import current_user, owned_or_404
from accounts.models import User
from llmplatform.errors import ApiError
from training import (
    dataset_changes,
    dataset_comparison,
    dataset_exports,
    dataset_lineage,
    dataset_mixes,
    dataset_search,
    dataset_splits,
    dataset_statistics,
)
from training.dataset_schemas import (
    AppendIn,
    ComparisonOut,
    DatasetOut,
    DatasetRow,
    ExcludeIn,
    FoundOut,
    LineageOut,
    MixIn,
    RecordIn,
    RecordOut,
    SplitIn,
    StatisticsIn,
    StatisticsOut,
    WorkOut,
)
from training.models import BaseModel, Dataset, DatasetWork

versions_of_datasets_router = Router(tags=["Datasets"])
router = versions_of_datasets_router
DEFAULT_CUTOFF = 2048


def _owned(request: HttpRequest, dataset_id: int, *, needs_file: bool = False) -> Dataset:
    rows = Dataset.objects.for_user(current_user(request))
    dataset = owned_or_404(rows, pk=dataset_id)
    if needs_file and not dataset.has_file:
        raise ApiError(410, "file_missing", _("The file of this dataset is missing."))
    return dataset


def _other(user: User, dataset_id: int, field: str) -> Dataset:
    """A dataset that a body names. 422 at its field when there is none."""
    dataset = Dataset.objects.for_user(user).filter(pk=dataset_id).first()
    if dataset is None:
        text = _("There is no such dataset.")
        raise ApiError(422, "invalid", text, {field: [text]})
    return dataset


def _answer(work: DatasetWork) -> tuple[int, DatasetWork]:
    """201 when it is done already; 202 when it goes on; 422 when it could not be done."""
    if work.status == "failed":
        raise ApiError(422, work.error_code, work.error)
    return (201 if work.status == "done" else 202), work


@router.post("mix", response={201: WorkOut, 202: WorkOut})
def mix_datasets(request: HttpRequest, body: MixIn) -> Any:
    """One dataset of several. `weight` is how often each record is taken: 0.5 is a random half.

    201: `results` has the new dataset; 202: it will (see `datasets/work/{id}`).
    """
    user = current_user(request)
    sources = [
        dataset_mixes.Source(_other(user, each.dataset, "sources"), each.weight)
        for each in body.sources
    ]
    return _answer(dataset_mixes.mix(actor=user, name=body.name, sources=sources, seed=body.seed))


@router.get("{int:dataset_id}/versions", response=list[DatasetRow])
def list_versions(request: HttpRequest, dataset_id: int) -> Any:
    """The newest first."""
    return list(_owned(request, dataset_id).versions)


@router.get("{int:dataset_id}/compare", response=ComparisonOut)
def compare_versions(request: HttpRequest, dataset_id: int, old: int | None = None) -> Any:
    """What came and went between `old` (else its parent) and this one; of each the first 20
    records."""
    new = _owned(request, dataset_id, needs_file=True)
    before = _owned(request, old or new.parent_id or new.pk, needs_file=True)
    found = dataset_comparison.compare(before, new)
    sides = {
        name: {
            "count": side.count,
            "items": [{"number": number, "record": record} for number, record in side.shown],
        }
        for name, side in (("removed", found.removed), ("added", found.added))
    }
    return {"old": before.pk, "new": new.pk, "kept": found.kept, **sides}


@router.post("{int:dataset_id}/restore", response={201: DatasetOut})
def restore_version(request: HttpRequest, dataset_id: int) -> Any:
    """Go back: this version's content as the newest version."""
    dataset = _owned(request, dataset_id, needs_file=True)
    return 201, dataset_changes.restore(
        dataset=dataset, actor=current_user(request), request=request
    )


@router.get("{int:dataset_id}/record", response=RecordOut)
def get_record(request: HttpRequest, dataset_id: int, number: int = 1) -> Any:
    """Counted from 1."""
    record = dataset_search.record_at(_owned(request, dataset_id, needs_file=True), number)
    if record is None:
        raise ApiError(404, "not_found", _("There is no record with this number."))
    return {"number": number, "record": record}


@router.put("{int:dataset_id}/record", response={201: WorkOut, 202: WorkOut})
def edit_record(request: HttpRequest, dataset_id: int, body: RecordIn, number: int = 1) -> Any:
    """A new version with this record in that place."""
    dataset = _owned(request, dataset_id)
    user = current_user(request)
    return _answer(
        dataset_changes.edit(dataset=dataset, actor=user, number=number, record=body.record)
    )


@router.post("{int:dataset_id}/exclude", response={201: WorkOut, 202: WorkOut})
def exclude_records(request: HttpRequest, dataset_id: int, body: ExcludeIn) -> Any:
    """A new version without some records, or without repetitions."""
    dataset, user = _owned(request, dataset_id), current_user(request)
    return _answer(
        dataset_changes.exclude(
            dataset=dataset, actor=user, numbers=body.numbers, duplicates=body.duplicates
        )
    )


@router.post("{int:dataset_id}/append", response={201: WorkOut, 202: WorkOut})
def append_records(request: HttpRequest, dataset_id: int, body: AppendIn) -> Any:
    """A new version with more records at its end: these, or those of another dataset."""
    dataset, user = _owned(request, dataset_id), current_user(request)
    other = _other(user, body.dataset, "dataset") if body.dataset is not None else None
    return _answer(
        dataset_changes.append(dataset=dataset, actor=user, records=body.records, other=other)
    )


@router.post("{int:dataset_id}/split", response={201: WorkOut, 202: WorkOut})
def split_dataset(request: HttpRequest, dataset_id: int, body: SplitIn) -> Any:
    """Two new datasets, for training and for evaluation; what is alike stays on one side."""
    dataset, user = _owned(request, dataset_id), current_user(request)
    return _answer(
        dataset_splits.split(
            dataset=dataset, actor=user, share=body.share, seed=body.seed, together=body.together
        )
    )


@router.get("{int:dataset_id}/search", response=FoundOut)
def search_records(request: HttpRequest, dataset_id: int, q: str = "", cursor: str = "") -> Any:
    """At most 10 records. In a large dataset a call may find fewer, or none, and go on from
    `cursor` in the next one."""
    dataset = _owned(request, dataset_id, needs_file=True)
    try:
        found = dataset_search.search(dataset, q, cursor=cursor)
    except ValueError as error:
        text = _("This is no place to go on from.")
        raise ApiError(422, "invalid", text, {"cursor": [text]}) from error
    items = [{"number": number, "record": record} for number, record in found.hits]
    return {"items": items, "cursor": found.cursor, "searched_percent": found.percent}


@router.get("{int:dataset_id}/export", response={200: None, 202: WorkOut})
def export_dataset(
    request: HttpRequest, dataset_id: int, file: str = "jsonl", format: str = ""
) -> Any:
    """`file`: jsonl, json or csv; `format`: another chat format, where nothing is lost.

    202 while a large one is made in the background (more than 8 MiB, unless it stays as it is): ask
    again when that work is done. The file stays for two days.
    """
    made = dataset_exports.export(
        dataset=_owned(request, dataset_id, needs_file=True),
        actor=current_user(request),
        file=file,
        format=format,
        request=request,
    )
    if not isinstance(made, DatasetWork):
        return made
    if made.status == "failed":
        raise ApiError(422, made.error_code, made.error)
    return 202, made


@router.post("{int:dataset_id}/statistics", response={201: WorkOut, 202: WorkOut})
def count_statistics(request: HttpRequest, dataset_id: int, body: StatisticsIn) -> Any:
    dataset, user = _owned(request, dataset_id), current_user(request)
    base_model = None
    if body.base_model is not None:
        base_model = BaseModel.objects.for_user(user).filter(pk=body.base_model).first()
        if base_model is None:
            text = _("There is no such model.")
            raise ApiError(422, "invalid", text, {"base_model": [text]})
    return _answer(dataset_statistics.ask(dataset=dataset, actor=user, base_model=base_model))


@router.get("{int:dataset_id}/statistics", response=StatisticsOut)
def get_statistics(request: HttpRequest, dataset_id: int, cutoff: int = DEFAULT_CUTOFF) -> Any:
    """What has been counted so far. `cut_off` is about `cutoff` tokens."""
    texts, tokens = dataset_statistics.newest(_owned(request, dataset_id))
    return {"texts": texts, "tokens": [dataset_statistics.tokens(row, cutoff) for row in tokens]}


@router.get("{int:dataset_id}/lineage", response=LineageOut)
def get_lineage(request: HttpRequest, dataset_id: int) -> Any:
    """Trainings, model versions and deployments that used it, and datasets made from it."""
    return dataset_lineage.usage_of(_owned(request, dataset_id))
