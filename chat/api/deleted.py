"""API: `chat/deleted`, chats that were deleted and can still be restored."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from chat import services
from chat.models import ChatSession
from chat.schemas import DeletedOut, SessionOut
from llmplatform.schemas import Page, Paging, paginate

deleted_router = Router(tags=["Chat"])


def _deleted(request: HttpRequest, session_id: UUID) -> ChatSession:
    rows = ChatSession.objects.deleted_by(current_user(request))
    return owned_or_404(rows.select_related("model__provider"), pk=session_id)


@deleted_router.get("", response=Page[DeletedOut])
def list_deleted(request: HttpRequest, paging: Query[Paging]) -> Any:
    """The last deleted first."""
    return paginate(ChatSession.objects.deleted_by(current_user(request)), paging)


@deleted_router.post("{uuid:session_id}/restore", response=SessionOut)
def restore(request: HttpRequest, session_id: UUID) -> ChatSession:
    session = _deleted(request, session_id)
    services.restore_session(session=session, actor=current_user(request), request=request)
    return session


@deleted_router.delete("{uuid:session_id}", response={204: None})
def purge(request: HttpRequest, session_id: UUID) -> Any:
    """For good."""
    session = _deleted(request, session_id)
    services.purge_sessions(sessions=[session], actor=current_user(request), request=request)
    return 204, None
