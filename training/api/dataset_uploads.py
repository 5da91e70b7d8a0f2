"""API: `datasets/uploads`, files in pieces, and `datasets/work`, what goes on in the background."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from training import dataset_uploads, dataset_work
from training.dataset_schemas import UploadIn, UploadOut, WorkOut
from training.dataset_texts import explain, status_of
from training.formats.problems import Refusal
from training.models import DatasetUpload, DatasetWork

uploads_router = Router(tags=["Datasets"])
work_router = Router(tags=["Datasets"])


def _owned(request: HttpRequest, upload_id: UUID) -> DatasetUpload:
    rows = DatasetUpload.objects.filter(owner=current_user(request))
    return owned_or_404(rows, pk=upload_id)


def _shown(upload: DatasetUpload) -> dict[str, Any]:
    known = {
        name: getattr(upload, name)
        for name in ("id", "file_name", "size_bytes", "received_bytes", "fingerprint", "created_at")
    }
    return {**known, "chunk_bytes": dataset_uploads.CHUNK_BYTES}


def _out_of_place(error: dataset_uploads.OutOfPlace) -> ApiError:
    text = _("%(count)d bytes are here; go on from there.") % {"count": error.received_bytes}
    return ApiError(409, "out_of_place", text, {"offset": [str(error.received_bytes)]})


@uploads_router.get("", response=list[UploadOut])
def list_uploads(request: HttpRequest) -> Any:
    """Those that wait for their other pieces."""
    return [_shown(upload) for upload in dataset_uploads.open_uploads(current_user(request))]


@uploads_router.post("", response={201: UploadOut})
def begin_upload(request: HttpRequest, body: UploadIn) -> Any:
    """For files of any size. Send pieces with PUT, then finish.

    With the `fingerprint` and size of one that was begun before, that one goes on. Uploads nobody
    goes on with are removed after two days.
    """
    try:
        upload = dataset_uploads.begin(
            owner=current_user(request),
            file_name=body.file_name,
            size_bytes=body.size_bytes,
            fingerprint=body.fingerprint,
            options={
                "name": body.name,
                "format": body.format,
                "options": body.reading.model_dump() if body.reading else None,
            },
        )
    except Refusal as refusal:
        message = explain(refusal)
        raise ApiError(status_of(refusal), refusal.code, message, {"file": [message]}) from refusal
    return 201, _shown(upload)


@uploads_router.get("{uuid:upload_id}", response=UploadOut)
def get_upload(request: HttpRequest, upload_id: UUID) -> Any:
    return _shown(_owned(request, upload_id))


@uploads_router.put("{uuid:upload_id}", response=UploadOut)
def send_piece(request: HttpRequest, upload_id: UUID, offset: int = 0) -> Any:
    """The body is the piece (application/octet-stream, at most 64 MiB) that begins at `offset`.

    409 with code `out_of_place` where the file does not end there: `fields.offset` says where.
    """
    upload = _owned(request, upload_id)
    try:
        dataset_uploads.receive(upload=upload, offset=offset, read=request.read)
    except dataset_uploads.OutOfPlace as error:
        raise _out_of_place(error) from error
    except FileNotFoundError as error:
        text = _("The uploaded file is gone. Upload it again.")
        raise ApiError(410, "file_missing", text) from error
    return _shown(_owned(request, upload_id))


@uploads_router.post("{uuid:upload_id}/finish", response={202: WorkOut})
def finish_upload(request: HttpRequest, upload_id: UUID) -> Any:
    """Starts the import; its `results` name the dataset. 409 while something is missing."""
    try:
        return 202, dataset_uploads.finish(upload=_owned(request, upload_id))
    except dataset_uploads.OutOfPlace as error:
        raise _out_of_place(error) from error


@uploads_router.delete("{uuid:upload_id}", response={204: None})
def remove_upload(request: HttpRequest, upload_id: UUID) -> Any:
    upload = _owned(request, upload_id)
    if not dataset_uploads.discard(upload=upload, actor=current_user(request), request=request):
        raise ApiError(409, "in_use", _("It is being imported."))
    return 204, None


@work_router.get("", response=Page[WorkOut])
def list_work(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(DatasetWork.objects.for_user(current_user(request)), paging)


@work_router.get("{uuid:work_id}", response=WorkOut)
def get_work(request: HttpRequest, work_id: UUID) -> Any:
    """`status`: queued, running, done, failed or cancelled."""
    return owned_or_404(DatasetWork.objects.for_user(current_user(request)), pk=work_id)


@work_router.post("{uuid:work_id}/cancel", response=WorkOut)
def cancel_work(request: HttpRequest, work_id: UUID) -> Any:
    """409 when it has ended."""
    user = current_user(request)
    work = owned_or_404(DatasetWork.objects.for_user(user), pk=work_id)
    if not dataset_work.cancel(work, actor=user, request=request):
        raise ApiError(409, "conflict", _("It has ended already."))
    work.refresh_from_db()
    return work
