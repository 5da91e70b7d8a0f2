"""Chats that colleagues may read, and chats on paper."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import attachments, services, sharing
from chat.forms import ShareForm
from chat.models import ChatSession, ChatShare, Message
from chat.showing import ShownTurn, with_versions
from chat.threads import Tree, Turn

SHARES_PER_PAGE = 50


def _chat(request: HttpRequest, session_id: UUID) -> ChatSession:
    rows = ChatSession.objects.for_user(current_user(request)).select_related("model__provider")
    return owned_or_404(rows, pk=session_id)


def _shared(user: User, share_id: UUID) -> ChatShare:
    """The link is what they need, and to be named where it is not for everybody."""
    rows = ChatShare.objects.readable_by(user).select_related("session__model__provider", "owner")
    return owned_or_404(rows, pk=share_id)


def _plain(path: Sequence[Message], reader: User) -> list[ShownTurn]:
    """Without the versions beside it."""
    return with_versions((Turn(message, (message.pk,)) for message in path), reader.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def share(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """The link to a chat: make it, bring it up to date, show it."""
    chat, user = _chat(request, session_id), current_user(request)
    row = sharing.share_of(chat)
    if request.method == "POST":
        form = ShareForm(request.POST)
        if form.is_valid():
            try:
                sharing.share(session=chat, actor=user, request=request, **form.options)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                if row is not None:
                    messages.success(request, _("The link shows the chat as it is now."))
                return redirect("chat:share", chat.pk)
    else:
        form = ShareForm(
            initial={
                "audience": "all" if row is None or row.is_for_all else "named",
                "readers": ", ".join(reader.email for reader in row.readers.all()) if row else "",
                "has_system_prompt": bool(row and row.has_system_prompt),
                "has_thoughts": row.has_thoughts if row else True,
            }
        )
    context: dict[str, Any] = {
        "chat": chat,
        "share": row,
        "form": form,
        "has_more": _has_more(chat, row),
    }
    if row is not None:
        path = reverse("chat:shared", args=[row.pk])
        context["link"] = request.build_absolute_uri(path)
    return render(request, "chat/share.html", context, status=422 if form.errors else 200)


def _has_more(chat: ChatSession, row: ChatShare | None) -> bool:
    """What was said since, which readers do not see."""
    return row is not None and row.until_id != chat.tip_id


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    rows = ChatShare.objects.for_user(user).readable().select_related("session")
    page = Paginator(rows, SHARES_PER_PAGE).get_page(request.GET.get("page"))
    naming = ChatShare.objects.naming(user).select_related("session", "owner")
    context = {"page": page, "naming": naming.order_by("-updated_at")[:SHARES_PER_PAGE]}
    return render(request, "chat/shares.html", context)


@require_POST
def revoke(request: HttpRequest, share_id: UUID) -> HttpResponse:
    user = current_user(request)
    row = owned_or_404(ChatShare.objects.for_user(user).readable(), pk=share_id)
    sharing.revoke(row=row, actor=user, request=request)
    messages.success(request, _("The link leads nowhere from now on."))
    return redirect("chat:shares")


@require_safe
def read(request: HttpRequest, share_id: UUID) -> HttpResponse:
    row = _shared(current_user(request), share_id)
    turns = _plain(sharing.messages_of(row), current_user(request))
    return render(request, "chat/shared.html", {"share": row, "turns": turns})


@require_POST
def copy(request: HttpRequest, share_id: UUID) -> HttpResponse:
    user = current_user(request)
    session = sharing.copy(row=_shared(user, share_id), reader=user, request=request)
    messages.success(request, _("This is your own copy. Go on from here."))
    return redirect("chat:session", session.pk)


@require_safe
def file(request: HttpRequest, share_id: UUID, attachment_id: UUID) -> HttpResponse:
    found = sharing.attachment_of(_shared(current_user(request), share_id), attachment_id)
    is_small = request.GET.get("size") == "small"
    answer = attachments.answer(found, small=is_small) if found is not None else None
    if answer is None:
        raise Http404
    return answer


@require_safe
def printed(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """A chat for paper and PDF; `?thoughts=no` without what models thought."""
    chat = _chat(request, session_id)
    has_thoughts = request.GET.get("thoughts", "yes") != "no"
    turns = _plain(Tree.of(chat).path_to(chat.tip_id), current_user(request))
    services.record_export(
        session=chat, actor=current_user(request), format="print", request=request
    )
    context = {"chat": chat, "turns": turns, "has_thoughts": has_thoughts}
    return render(request, "chat/print.html", context)
