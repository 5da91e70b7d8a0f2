"""What can be done with a whole chat: its row's menu. Plain forms; then one is where one was."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user
from chat import folders, services
from chat.forms import FolderForm, TitleForm
from chat.models import ChatFolder, ChatSession
from chat.views.places import back, chat_of, chat_url, folder_of, say


@require_safe
def actions(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """What can be done with a chat: the menu of its row in the list, fetched when it opens."""
    mine = ChatFolder.objects.for_user(current_user(request))
    context = {"chat": chat_of(request, session_id), "folders": mine}
    return render(request, "chat/actions.html", context)


def _change(request: HttpRequest, chat: ChatSession, **changes: Any) -> None:
    user = current_user(request)
    services.change_session(session=chat, actor=user, request=request, **changes)


@require_POST
def rename(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat, form = chat_of(request, session_id), TitleForm(request.POST)
    if form.is_valid():
        _change(request, chat, title=form.cleaned_data["title"])
    else:
        messages.error(request, " ".join(map(str, form.errors["title"])))
    return back(request, chat_url(chat))


@require_POST
def pin(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    _change(request, chat, is_pinned=not chat.is_pinned)
    return back(request, chat_url(chat))


@require_POST
def archive(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    _change(request, chat, is_archived=True)
    say(request, _("The chat is in the archive."), undo=reverse("chat:unarchive", args=[chat.pk]))
    return back(request, chat_url(chat))


@require_POST
def unarchive(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    _change(request, chat, is_archived=False)
    say(request, _("The chat is back in the list."))
    return back(request, chat_url(chat))


@require_POST
def move(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """Into the folder `folder`, into none where that is empty, or into a new one called `name`."""
    chat = chat_of(request, session_id)
    try:
        folder = _wanted_folder(request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return back(request, chat_url(chat))
    _change(request, chat, folder=folder)
    if folder is None:
        say(request, _("The chat is in no folder."))
    else:
        say(request, _("The chat is in “%(folder)s”.") % {"folder": folder})
    return back(request, chat_url(chat))


def _wanted_folder(request: HttpRequest) -> ChatFolder | None:
    """Raises ValidationError."""
    if "name" in request.POST:
        form = FolderForm(request.POST)
        if not form.is_valid():
            raise ValidationError(list(form.errors["name"]))
        name = form.cleaned_data["name"]
        return folders.create_folder(owner=current_user(request), name=name, request=request)
    wanted = request.POST.get("folder", "")
    return folder_of(request, wanted) if wanted else None


@require_POST
def delete(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    services.delete_session(session=chat, actor=current_user(request), request=request)
    say(request, _("The chat is deleted."), undo=reverse("chat:restore", args=[chat.pk]))
    return back(request, reverse("chat:index"), leaving=chat_url(chat))
