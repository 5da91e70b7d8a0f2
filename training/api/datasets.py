"""API: `datasets`."""

from typing import Any, BinaryIO, cast

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Form, Query, Router
from ninja.files import UploadedFile

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import dataset_exports, dataset_pictures, datasets
from training.api.refusals import refused
from training.dataset_advice import counted, found
from training.dataset_schemas import (
    DatasetOut,
    DatasetRow,
    FillIn,
    ReadingIn,
    RecordsOut,
    RecordTokensIn,
    RecordTokensOut,
    ReportIn,
    ReportOut,
)
from training.dataset_texts import listed
from training.formats.problems import Refusal
from training.models import BaseModel, Dataset
from training.tokens import tokens_of, wanted_for

datasets_router = Router(tags=["Datasets"])


def _owned(request: HttpRequest, dataset_id: int) -> Dataset:
    return owned_or_404(Dataset.objects.for_user(current_user(request)), pk=dataset_id)


def _owned_with_file(request: HttpRequest, dataset_id: int) -> Dataset:
    dataset = _owned(request, dataset_id)
    if not dataset.has_file:
        raise ApiError(410, "file_missing", _("The file of this dataset is missing."))
    return dataset


@datasets_router.get("", response=Page[DatasetRow])
def list_datasets(request: HttpRequest, paging: Query[Paging], all_versions: bool = False) -> Any:
    """The newest version of each, unless `all_versions`."""
    rows = Dataset.objects.for_user(current_user(request))
    return paginate(rows if all_versions else rows.current(), paging)


@datasets_router.post("", response={201: DatasetOut})
def create_dataset(
    request: HttpRequest,
    file: File[UploadedFile],
    reading: Form[ReadingIn],
    name: Form[str] = "",
    format: Form[str] = "auto",
) -> Any:
    """A file of JSON, JSON lines, CSV, TSV or plain text, by the ending of its name; or a ZIP of
    one such file and the pictures that its records name in `images`.

    `format`: auto, alpaca, sharegpt, openai, preference, kto or text.
    Records that cannot be used are counted in `rejected` and the first 100 explained in `errors`;
    a file that is no use as a whole is refused with 422 (413 when too large).
    """
    try:
        dataset = datasets.import_dataset(
            owner=current_user(request),
            file=cast(BinaryIO, file.file),
            file_name=file.name or "",
            size_bytes=file.size or 0,
            name=name,
            format=format,
            options=reading.model_dump(),
            request=request,
        )
    except Refusal as refusal:
        raise refused(refusal) from refusal
    return 201, dataset


@datasets_router.get("{dataset_id}", response=DatasetOut)
def get_dataset(request: HttpRequest, dataset_id: int) -> Dataset:
    return _owned(request, dataset_id)


@datasets_router.get("{dataset_id}/records", response=RecordsOut)
def list_records(request: HttpRequest, dataset_id: int, paging: Query[Paging]) -> Any:
    """Accepted records as they are stored."""
    records = datasets.records_of(_owned_with_file(request, dataset_id))
    chosen = records[paging.offset : paging.offset + paging.limit]
    return {"items": chosen, "count": len(records)}


@datasets_router.get("{dataset_id}/report", response=ReportOut)
def get_report(request: HttpRequest, dataset_id: int, query: Query[ReportIn]) -> Any:
    """Every record that was not used, with line, reason, remedy and what the trainer would have
    done; secrets and personal data in those that are."""
    dataset = _owned(request, dataset_id)
    rows = datasets.rejections_of(dataset, code=query.code)
    return {
        "items": listed(rows[query.offset : query.offset + query.limit]),
        "count": len(rows),
        "reasons": counted(dataset.reasons),
        "findings": found(dataset.findings),
    }


@datasets_router.get("{dataset_id}/tokens", response={200: RecordTokensOut, 202: RecordTokensOut})
def get_tokens(request: HttpRequest, dataset_id: int, query: Query[RecordTokensIn]) -> Any:
    """A record as the trainer's own code encodes it, with what of it is learned.

    202 while the tokens are being made, a few seconds the first time: ask again.
    """
    dataset = _owned_with_file(request, dataset_id)
    if query.record >= dataset.records:
        raise ApiError(404, "not_found", _("There is no such record."))
    values = query.model_dump()
    position, model_id = values.pop("record"), values.pop("base_model")
    models = BaseModel.objects.for_user(current_user(request)).ready()
    model = models.filter(pk=model_id).first()
    if model is None:
        text = _("There is no such model.")
        raise ApiError(422, "invalid", text, {"base_model": [text]})
    wanted = wanted_for(dataset, model, **values)
    tokens = tokens_of(dataset, position, wanted)
    return 202 if tokens.state == "pending" else 200, tokens


@datasets_router.get("{dataset_id}/download", response={200: None})
def download_dataset(request: HttpRequest, dataset_id: int) -> Any:
    """JSON lines, one accepted record each; with pictures a ZIP of both, which can be uploaded
    again."""
    dataset = _owned_with_file(request, dataset_id)
    return dataset_exports.download(dataset=dataset, actor=current_user(request), request=request)


@datasets_router.get("{dataset_id}/pictures/{name}", response={200: None})
def get_picture(request: HttpRequest, dataset_id: int, name: str, small: bool = False) -> Any:
    """One that a record names in `images`, as it was uploaded; `small`: a thumbnail as WebP."""
    answer = dataset_pictures.answer(_owned(request, dataset_id), name, small=small)
    if answer is None:
        raise ApiError(404, "not_found", _("There is no such picture."))
    return answer


@datasets_router.post("{dataset_id}/fill", response={201: DatasetOut})
def fill_dataset(request: HttpRequest, dataset_id: int, body: FillIn) -> Any:
    """A new dataset in which `{{key}}` is replaced by `values[key]`."""
    try:
        filled = datasets.fill_placeholders(
            dataset=_owned_with_file(request, dataset_id),
            values=body.values,
            name=body.name,
            request=request,
        )
    except Refusal as refusal:
        raise refused(refusal) from refusal
    return 201, filled


@datasets_router.delete("{dataset_id}", response={204: None})
def delete_dataset(request: HttpRequest, dataset_id: int) -> Any:
    """409 while a training job uses it."""
    try:
        datasets.delete_dataset(
            dataset=_owned(request, dataset_id), actor=current_user(request), request=request
        )
    except datasets.InUse as error:
        raise ApiError(409, "in_use", error.message) from error
    return 204, None
