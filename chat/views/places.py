"""What the chat pages' views share: whose chat it is, and where a person is sent afterwards."""

import uuid
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.access import current_user, owned_or_404
from chat.models import ChatFolder, ChatSession


def chat_of(request: HttpRequest, session_id: uuid.UUID) -> ChatSession:
    rows = ChatSession.objects.for_user(current_user(request)).select_related("model__provider")
    return owned_or_404(rows, pk=session_id)


def folder_of(request: HttpRequest, folder_id: int | str) -> ChatFolder:
    return owned_or_404(ChatFolder.objects.for_user(current_user(request)), pk=folder_id)


def back(request: HttpRequest, otherwise: str, *, leaving: str = "") -> HttpResponse:
    """To the page the person comes from, unless that is `leaving`; else to `otherwise`."""
    came_from = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(
        came_from, {request.get_host()}, require_https=request.is_secure()
    )
    if is_ours and urlsplit(came_from).path != leaving:
        return redirect(came_from)
    return redirect(otherwise)


def say(request: HttpRequest, text: str, *, undo: str = "") -> None:
    """A toast; `undo` is the address its button sends to."""
    messages.success(request, text, extra_tags=undo)


def chat_url(chat: ChatSession) -> str:
    return reverse("chat:session", args=[chat.pk])
