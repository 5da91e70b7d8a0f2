"""API: `chat/imports`, chats from ChatGPT, Open WebUI and this platform."""

from typing import Any, BinaryIO, cast
from uuid import UUID

from django.http import HttpRequest
from ninja import File, Query, Router
from ninja.files import UploadedFile

from accounts.access import current_user, owned_or_404
from chat.importing import work
from chat.models import ChatImport
from chat.schemas import ImportOut
from llmplatform.schemas import Page, Paging, paginate

imports_router = Router(tags=["Chat"])


def _owned(request: HttpRequest, import_id: UUID) -> ChatImport:
    return owned_or_404(ChatImport.objects.for_user(current_user(request)), pk=import_id)


@imports_router.get("", response=Page[ImportOut])
def list_imports(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(ChatImport.objects.for_user(current_user(request)), paging)


@imports_router.post("", response={201: ImportOut})
def upload(request: HttpRequest, file: File[UploadedFile]) -> Any:
    """A ZIP or JSON file of up to 1 GB. It is read first: ask again while it is `queued` or
    `running`; what will come is known once it is `ready`."""
    return 201, work.begin(
        owner=current_user(request),
        file=cast(BinaryIO, file.file),
        file_name=file.name or "",
        size_bytes=file.size or 0,
    )


@imports_router.get("{uuid:import_id}", response=ImportOut)
def get_import(request: HttpRequest, import_id: UUID) -> ChatImport:
    return _owned(request, import_id)


@imports_router.post("{uuid:import_id}/start", response=ImportOut)
def start(request: HttpRequest, import_id: UUID) -> ChatImport:
    """Write what was found. A repeated import brings no chat twice."""
    row = _owned(request, import_id)
    return work.start(row=row, actor=current_user(request), request=request)


@imports_router.delete("{uuid:import_id}", response={204: None})
def discard(request: HttpRequest, import_id: UUID) -> Any:
    """The file and its report; chats that were imported stay."""
    work.discard(row=_owned(request, import_id))
    return 204, None
