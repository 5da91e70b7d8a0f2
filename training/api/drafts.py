"""API: `dataset-drafts`, files whose columns have other names than any format."""

from dataclasses import asdict
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Form, Query, Router
from ninja.files import UploadedFile

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import drafts
from training.api.refusals import refused
from training.dataset_readings import as_json
from training.dataset_schemas import (
    DatasetOut,
    DraftImportIn,
    DraftIn,
    DraftOut,
    DraftRow,
    PreviewOut,
    RowsReadingIn,
    WorkOut,
)
from training.dataset_texts import explain, reason
from training.formats.problems import Refusal
from training.models import Dataset, DatasetDraft

drafts_router = Router(tags=["Datasets"])


def _owned(request: HttpRequest, draft_id: UUID) -> DatasetDraft:
    return owned_or_404(DatasetDraft.objects.for_user(current_user(request)), pk=draft_id)


def _out(draft: DatasetDraft, reading: RowsReadingIn) -> dict[str, Any]:
    look = drafts.look(draft, reading.model_dump())
    return {
        **{name: getattr(draft, name) for name in DraftRow.model_fields},
        "columns": [asdict(column) for column in look.columns],
        "paths": look.paths,
        "reading": as_json(look.reading),
        "guess": asdict(look.guess),
        "problem": explain(look.refusal) if look.refusal else "",
    }


@drafts_router.get("", response=Page[DraftRow])
def list_drafts(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(DatasetDraft.objects.for_user(current_user(request)), paging)


@drafts_router.post("", response={201: DraftOut})
def create_draft(
    request: HttpRequest,
    file: File[UploadedFile],
    reading: Form[RowsReadingIn],
    name: Form[str] = "",
) -> Any:
    """Keeps a file for a week and says which columns it has, with a guess at what they are."""
    try:
        draft = drafts.keep(
            owner=current_user(request),
            file=cast(BinaryIO, file.file),
            file_name=file.name or "",
            size_bytes=file.size or 0,
            name=name,
        )
    except Refusal as refusal:
        raise refused(refusal) from refusal
    return 201, _out(draft, reading)


@drafts_router.get("{draft_id}", response=DraftOut)
def get_draft(request: HttpRequest, draft_id: UUID, reading: Query[RowsReadingIn]) -> Any:
    """Read in the way that the query says."""
    return _out(_owned(request, draft_id), reading)


@drafts_router.post("{draft_id}/preview", response=PreviewOut)
def preview_draft(request: HttpRequest, draft_id: UUID, body: DraftIn) -> Any:
    """What the first records become with this mapping. Nothing is stored."""
    draft = _owned(request, draft_id)
    mapping = drafts.checked_mapping(**body.mapping.model_dump())
    try:
        rows = drafts.preview(draft, body.reading.model_dump(), mapping)
    except Refusal as refusal:
        raise refused(refusal) from refusal
    return {
        "items": [
            {
                "line": row.line,
                "record": row.record,
                "turns": [{"speaker": turn.speaker, "text": turn.text} for turn in row.turns],
                "reason": reason(row.problem.code, row.problem.params) if row.problem else "",
            }
            for row in rows
        ]
    }


@drafts_router.post("{draft_id}/import", response={201: DatasetOut, 202: WorkOut})
def import_draft(request: HttpRequest, draft_id: UUID, body: DraftImportIn) -> Any:
    """The dataset; the draft is gone then. With 422 it stays.

    202 for a large file: the dataset is made in the background (see `datasets/work/{id}`).
    """
    draft = _owned(request, draft_id)
    mapping = drafts.checked_mapping(**body.mapping.model_dump())
    try:
        made = drafts.begin_import(
            draft=draft,
            options=body.reading.model_dump(),
            mapping=mapping,
            name=body.name,
            request=request,
        )
    except Refusal as refusal:
        raise refused(refusal) from refusal
    return (201 if isinstance(made, Dataset) else 202), made


@drafts_router.delete("{draft_id}", response={204: None})
def delete_draft(request: HttpRequest, draft_id: UUID) -> Any:
    """409 while it is being imported."""
    draft = _owned(request, draft_id)
    if not drafts.discard(draft=draft, actor=current_user(request), request=request):
        raise ApiError(409, "in_use", _("It is being imported."))
    return 204, None
