"""API: `chat/attachments`, files that go with a question."""

from typing import Any, BinaryIO, cast
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import File, Router
from ninja.files import UploadedFile

from accounts.access import current_user, owned_or_404
from chat import attachments
from chat.models import Attachment
from chat.schemas import AttachmentOut
from llmplatform.errors import ApiError

attachments_router = Router(tags=["Chat"])


def _readable(request: HttpRequest, attachment_id: UUID) -> Attachment:
    rows = Attachment.objects.readable_by(current_user(request))
    return owned_or_404(rows, pk=attachment_id)


def _owned(request: HttpRequest, attachment_id: UUID) -> Attachment:
    return owned_or_404(Attachment.objects.for_user(current_user(request)), pk=attachment_id)


@attachments_router.post("", response={201: AttachmentOut})
def upload(request: HttpRequest, file: File[UploadedFile]) -> Any:
    """An image (JPEG, PNG, WebP, GIF; 20 MB, 50 megapixels) or a text file (1 MB, any encoding).

    What is in it counts, not its name. Name its `id` in `attachments` of a message within a day.
    """
    return 201, attachments.keep(
        owner=current_user(request), file=cast(BinaryIO, file.file), name=file.name or ""
    )


@attachments_router.get("{uuid:attachment_id}", response=AttachmentOut)
def get_attachment(request: HttpRequest, attachment_id: UUID) -> Attachment:
    return _readable(request, attachment_id)


@attachments_router.get("{uuid:attachment_id}/content", response={200: None})
def get_content(request: HttpRequest, attachment_id: UUID, small: bool = False) -> Any:
    """What a model is sent; `small`: of an image a thumbnail as WebP."""
    answer = attachments.answer(_readable(request, attachment_id), small=small)
    if answer is None:
        raise ApiError(404, "not_found", _("The file is not there any more."))
    return answer


@attachments_router.delete("{uuid:attachment_id}", response={204: None})
def delete_attachment(request: HttpRequest, attachment_id: UUID) -> Any:
    """409 once it is sent: it belongs to its question then, and goes with the chat."""
    attachment = _owned(request, attachment_id)
    if attachment.message_id is not None:
        text = _("The file is sent already. It goes with its chat.")
        raise ApiError(409, "attachment_sent", text)
    attachments.remove(attachment=attachment)
    return 204, None
