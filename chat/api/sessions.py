"""API: `chat/sessions` and what hangs below it. Server-sent events: docs/events.md."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import answering, exporting, grounding, services
from chat.errors import StillAnswering
from chat.following import SessionGone
from chat.models import ChatFolder, ChatSession, Message
from chat.schemas import (
    ListedSessionOut,
    MessageIn,
    MessageOut,
    SessionIn,
    SessionOut,
    SessionPatch,
    StopOut,
)
from chat.search.finding import find
from chat.threads import Tree, read, with_sources
from llmplatform.errors import ApiError
from llmplatform.schemas import Page, Paging, paginate
from llmplatform.text import number_of
from providers.models import ProviderModel

sessions_router = Router(tags=["Chat"])


def model_of(user: User, name: int | str) -> ProviderModel:
    """By `id`, `model_id` or `provider/model_id`. ValidationError if it is none or several."""
    rows = services.usable_models(user)
    if isinstance(name, int) or name.isdecimal():
        found = list(rows.filter(pk=number_of(str(name)) or 0)[:2])
    else:
        provider, _slash, model_id = name.partition("/")
        both = Q(provider__name=provider, model_id=model_id)
        found = list(rows.filter(Q(model_id=name) | both)[:2])
    if len(found) == 1:
        return found[0]
    problem = _("Several models have this name; send its id.") if found else ""
    raise ValidationError({"model_id": [problem or _("Choose a model that is available.")]})


def _folder(user: User, folder_id: int | None) -> ChatFolder | None:
    """ValidationError where it is not theirs."""
    if folder_id is None:
        return None
    found = ChatFolder.objects.for_user(user).filter(pk=folder_id).first()
    if found is None:
        raise ValidationError({"folder_id": [_("You have no such folder.")]})
    return found


def _session(request: HttpRequest, session_id: UUID) -> ChatSession:
    rows = ChatSession.objects.for_user(current_user(request)).select_related("model__provider")
    return owned_or_404(rows, pk=session_id)


@sessions_router.get("", response=Page[ListedSessionOut])
def list_sessions(
    request: HttpRequest,
    paging: Query[Paging],
    q: str = "",
    folder_id: int | None = None,
    archived: bool = False,
) -> Any:
    """`q`: words that are all in the title or in one message; each chat tells where (`hit`). Then
    `count` is larger than what was read as long as there is more: nobody counts all of them.

    `archived=true` lists those in the archive instead; deleted ones are `chat/deleted`.
    """
    user = current_user(request)
    rows = ChatSession.objects.for_user(user).listed(is_archived=archived)
    rows = rows.select_related("model__provider").prefetch_related("chosen_bases__base")
    if folder_id is not None:
        rows = rows.filter(folder=_folder(user, folder_id))
    if not q:
        return paginate(rows, paging)
    found = find(rows, owner=user, text=q, start=paging.offset, count=paging.limit)
    items = [ListedSessionOut.of(hit) for hit in found.items]
    return {"items": items, "count": paging.offset + len(items) + found.has_more}


@sessions_router.post("", response={201: SessionOut})
def create_session(request: HttpRequest, body: SessionIn) -> Any:
    user = current_user(request)
    return 201, services.create_session(
        owner=user,
        model=model_of(user, body.model_id),
        request=request,
        title=body.title,
        system_prompt=body.system_prompt,
        parameters=body.parameters.given() if body.parameters else {},
        folder=_folder(user, body.folder_id),
        knowledge_bases=grounding.readable(user, body.knowledge_bases),
    )


@sessions_router.get("{uuid:session_id}", response=SessionOut)
def get_session(request: HttpRequest, session_id: UUID) -> ChatSession:
    return _session(request, session_id)


@sessions_router.patch("{uuid:session_id}", response=SessionOut)
def change_session(request: HttpRequest, session_id: UUID, body: SessionPatch) -> ChatSession:
    session, user = _session(request, session_id), current_user(request)
    nested = {"parameters", "folder_id", "knowledge_bases"}
    changes = body.model_dump(exclude_unset=True, exclude_none=True, exclude=nested)
    if body.parameters is not None:
        changes["parameters"] = body.parameters.given()
    if "model_id" in changes:
        changes["model"] = model_of(user, changes.pop("model_id"))
    if "folder_id" in body.model_fields_set:
        changes["folder"] = _folder(user, body.folder_id)
    if body.knowledge_bases is not None:
        changes["knowledge_bases"] = grounding.readable(user, body.knowledge_bases)
    return services.change_session(session=session, actor=user, request=request, **changes)


@sessions_router.delete("{uuid:session_id}", response={204: None})
def delete_session(request: HttpRequest, session_id: UUID) -> Any:
    """For a while it can be restored: `chat/deleted`."""
    session = _session(request, session_id)
    services.delete_session(session=session, actor=current_user(request), request=request)
    return 204, None


@sessions_router.get("{uuid:session_id}/messages", response=Page[MessageOut])
def list_messages(request: HttpRequest, session_id: UUID, paging: Query[Paging]) -> Any:
    """The conversation as it is shown; versions that are not shown are in the export."""
    session = _session(request, session_id)
    path = Tree.of(session).nodes_to(session.tip_id)
    shown = path[paging.offset : paging.offset + paging.limit]
    return {"items": with_sources(read(shown)), "count": len(path)}


@sessions_router.post("{uuid:session_id}/messages", response=MessageOut)
async def ask(request: HttpRequest, session_id: UUID, body: MessageIn) -> Any:
    """The finished answer, or its events as they come. Leaving does not end the generation."""
    answer = await sync_to_async(_ask)(request, session_id, body)
    if body.stream:
        return _event_stream(answering.server_sent_events(answer))
    try:
        return await answering.finished(answer)
    except SessionGone as error:
        raise Http404 from error


def _ask(request: HttpRequest, session_id: UUID, body: MessageIn) -> Message:
    try:
        return services.ask(
            session=_session(request, session_id),
            actor=current_user(request),
            content=body.content,
            attachments=body.attachments,
        )
    except StillAnswering as error:
        message = _("Wait for the running answer, or stop it first.")
        raise ApiError(409, "still_answering", message) from error
    finally:
        answering.give_back_connections()


def _event_stream(events: AsyncIterator[str]) -> HttpResponse:
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response  # type: ignore[return-value]  # ninja passes any response on


@sessions_router.post("{uuid:session_id}/stop", response=StopOut)
def stop(request: HttpRequest, session_id: UUID) -> Any:
    return {"stopped": services.stop(session=_session(request, session_id))}


@sessions_router.get("{uuid:session_id}/export", response={200: None})
def export(
    request: HttpRequest, session_id: UUID, format: str = "md", thoughts: bool = True
) -> HttpResponse:
    """`thoughts=false` leaves out what models thought before they answered."""
    if format not in exporting.FORMATS:
        raise ValidationError({"format": [_("Choose md or json.")]})
    session = _session(request, session_id)
    text = exporting.exported(session, format, has_thoughts=thoughts)
    user = current_user(request)
    services.record_export(session=session, actor=user, format=format, request=request)
    return exporting.download(text, session, format)
