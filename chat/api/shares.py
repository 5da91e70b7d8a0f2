"""API: `chat/shares`, what I share, and `chat/shared`, what others share with me."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from chat import attachments, sharing
from chat.models import ChatSession, ChatShare
from chat.schemas import SessionOut, SharedChatOut, ShareIn, ShareOut
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate

shares_router = Router(tags=["Chat"])
shared_router = Router(tags=["Chat"])


def _mine(request: HttpRequest, share_id: UUID) -> ChatShare:
    rows = ChatShare.objects.for_user(current_user(request)).readable()
    return owned_or_404(rows, pk=share_id)


def _shared(request: HttpRequest, share_id: UUID) -> ChatShare:
    """The link is what they need, and to be named where it is not for everybody."""
    rows = ChatShare.objects.readable_by(current_user(request)).select_related(
        "session__model__provider", "owner"
    )
    return owned_or_404(rows, pk=share_id)


@shares_router.get("", response=Page[ShareOut])
def list_shares(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(ChatShare.objects.for_user(current_user(request)).readable(), paging)


@shares_router.post("", response=ShareOut)
def share(request: HttpRequest, body: ShareIn) -> ChatShare:
    """Let colleagues with the link read what is shown now. A chat has one link: this also brings
    it up to date."""
    user = current_user(request)
    session = owned_or_404(ChatSession.objects.for_user(user), pk=body.session_id)
    return sharing.share(
        session=session,
        actor=user,
        has_system_prompt=body.has_system_prompt,
        has_thoughts=body.has_thoughts,
        readers=None if body.readers is None else sharing.people(", ".join(body.readers)),
        request=request,
    )


@shares_router.delete("{uuid:share_id}", response={204: None})
def revoke(request: HttpRequest, share_id: UUID) -> Any:
    row = _mine(request, share_id)
    sharing.revoke(row=row, actor=current_user(request), request=request)
    return 204, None


@shared_router.get("{uuid:share_id}", response=SharedChatOut)
def read(request: HttpRequest, share_id: UUID) -> Any:
    row = _shared(request, share_id)
    return {
        "id": row.pk,
        "title": row.session.title,
        "shared_by": row.owner.email,
        "updated_at": row.updated_at,
        "system_prompt": row.session.system_prompt if row.has_system_prompt else "",
        "messages": sharing.messages_of(row),
    }


@shared_router.post("{uuid:share_id}/copy", response={201: SessionOut})
def copy(request: HttpRequest, share_id: UUID) -> Any:
    """A chat of one's own that goes on from there."""
    return 201, sharing.copy(
        row=_shared(request, share_id), reader=current_user(request), request=request
    )


@shared_router.get("{uuid:share_id}/files/{uuid:attachment_id}", response={200: None})
def get_file(request: HttpRequest, share_id: UUID, attachment_id: UUID, small: bool = False) -> Any:
    found = sharing.attachment_of(_shared(request, share_id), attachment_id)
    answer = attachments.answer(found, small=small) if found is not None else None
    if answer is None:
        raise ApiError(404, "not_found", _("The file is not there any more."))
    return answer
