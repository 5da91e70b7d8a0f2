"""API: `chat/folders`. A chat is put into one with `folder_id` of `chat/sessions`."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from chat import folders
from chat.models import ChatFolder
from chat.schemas import FolderIn, FolderOut
from llmplatform.schemas import Page, Paging, paginate

folders_router = Router(tags=["Chat"])


def _folder(request: HttpRequest, folder_id: int) -> ChatFolder:
    return owned_or_404(ChatFolder.objects.for_user(current_user(request)), pk=folder_id)


@folders_router.get("", response=Page[FolderOut])
def list_folders(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(ChatFolder.objects.for_user(current_user(request)), paging)


@folders_router.post("", response={201: FolderOut})
def create_folder(request: HttpRequest, body: FolderIn) -> Any:
    return 201, folders.create_folder(owner=current_user(request), name=body.name, request=request)


@folders_router.get("{int:folder_id}", response=FolderOut)
def get_folder(request: HttpRequest, folder_id: int) -> ChatFolder:
    return _folder(request, folder_id)


@folders_router.patch("{int:folder_id}", response=FolderOut)
def rename_folder(request: HttpRequest, folder_id: int, body: FolderIn) -> ChatFolder:
    folder, user = _folder(request, folder_id), current_user(request)
    return folders.rename_folder(folder=folder, actor=user, name=body.name, request=request)


@folders_router.delete("{int:folder_id}", response={204: None})
def delete_folder(request: HttpRequest, folder_id: int) -> Any:
    """Its chats stay, in no folder."""
    folder, user = _folder(request, folder_id), current_user(request)
    folders.delete_folder(folder=folder, actor=user, request=request)
    return 204, None
