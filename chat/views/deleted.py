"""Recently deleted chats: restore them, or delete them for good."""

import uuid
from datetime import timedelta

from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from chat import services
from chat.models import ChatSession, ChatSettings
from chat.views.places import chat_url, say

DELETED_PER_PAGE = 50


def _deleted(request: HttpRequest, session_id: uuid.UUID) -> ChatSession:
    return owned_or_404(ChatSession.objects.deleted_by(current_user(request)), pk=session_id)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    days = ChatSettings.current().kept_days
    rows = ChatSession.objects.deleted_by(current_user(request))
    rows = rows.annotate(gone_at=F("deleted_at") + timedelta(days=days))
    page = Paginator(rows, DELETED_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "chat/deleted.html", {"page": page, "days": days})


@require_POST
def restore(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """Back to the chat itself; `stay` where several are restored one after the other."""
    chat = _deleted(request, session_id)
    services.restore_session(session=chat, actor=current_user(request), request=request)
    say(request, _("The chat is back."))
    return redirect("chat:deleted") if "stay" in request.POST else redirect(chat_url(chat))


@require_POST
def purge(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = _deleted(request, session_id)
    services.purge_sessions(sessions=[chat], actor=current_user(request), request=request)
    say(request, _("The chat is deleted for good."))
    return redirect("chat:deleted")


@require_POST
def empty(request: HttpRequest) -> HttpResponse:
    """All of them at once."""
    user = current_user(request)
    rows = list(ChatSession.objects.deleted_by(user))
    services.purge_sessions(sessions=rows, actor=user, request=request)
    text = ngettext(
        "%(count)d chat is deleted for good.", "%(count)d chats are deleted for good.", len(rows)
    )
    say(request, text % {"count": len(rows)})
    return redirect("chat:deleted")
