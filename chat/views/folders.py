"""Folders of chats: made, named, taken away, and what is in one."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user
from chat import folders
from chat.forms import FolderForm
from chat.models import ChatFolder, ChatSession
from chat.views.places import back, folder_of, say

# In the side list; the page of the folder has them all.
SHOWN = 30


@require_POST
def create(request: HttpRequest) -> HttpResponse:
    return _save(request, None)


@require_POST
def rename(request: HttpRequest, folder_id: int) -> HttpResponse:
    return _save(request, folder_of(request, folder_id))


def _save(request: HttpRequest, folder: ChatFolder | None) -> HttpResponse:
    form, user = FolderForm(request.POST), current_user(request)
    try:
        if not form.is_valid():
            raise ValidationError(list(form.errors["name"]))
        name = form.cleaned_data["name"]
        if folder is None:
            folders.create_folder(owner=user, name=name, request=request)
        else:
            folders.rename_folder(folder=folder, actor=user, name=name, request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return back(request, reverse("chat:index"))


@require_POST
def delete(request: HttpRequest, folder_id: int) -> HttpResponse:
    folder = folder_of(request, folder_id)
    folders.delete_folder(folder=folder, actor=current_user(request), request=request)
    say(request, _("The folder is gone; its chats are in the list."))
    return back(request, reverse("chat:index"), leaving=reverse("chat:index"))


@require_safe
def chats(request: HttpRequest, folder_id: int) -> HttpResponse:
    """What is in a folder, for the side list, which fetches it when the folder opens."""
    folder = folder_of(request, folder_id)
    context = {"folder": folder} | folder_chats(folder)
    return render(request, "chat/folder_chats.html", context)


def folder_chats(folder: ChatFolder) -> dict[str, object]:
    rows = ChatSession.objects.for_user(folder.owner).listed().filter(folder=folder)
    found = list(rows.with_answering()[: SHOWN + 1])
    return {"folder_chats": found[:SHOWN], "has_more": len(found) > SHOWN}
