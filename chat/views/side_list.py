"""The list beside a conversation, as the page's address asks for it."""

from typing import Any, cast
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat.models import ChatFolder, ChatSession, ChatSessionQuerySet
from chat.search.pages import found_page
from chat.views.places import folder_of
from llmplatform.text import number_of
from training.models import ModelVersion

SESSIONS_PER_PAGE = 40
ARCHIVED = "archived"


def side_list(request: HttpRequest) -> dict[str, Any]:
    """`?q=` words, `?folder=` one folder, `?view=archived`, `?version=` who answered.

    Without any of them: the chats that are in no folder, below the folders.
    """
    user = current_user(request)
    wanted = request.GET.get("q", "").strip()[:200]
    version, folder = _version(request, user), folder_in(request)
    is_archived = request.GET.get("view") == ARCHIVED
    rows = ChatSession.objects.for_user(user)
    if version is not None:
        rows = rows.answered_by(version.pk)
    else:
        rows = rows.listed(is_archived=is_archived)
    has_folders = not (wanted or version or folder or is_archived)
    if folder is not None or has_folders:
        rows = rows.filter(folder=folder)
    kept = {"folder": folder.pk} if folder else {"view": ARCHIVED} if is_archived else {}
    return {
        "page": _page(rows, user, wanted, request.GET.get("page", "")),
        "q": wanted,
        "version": version,
        "folder": folder,
        "is_archive": is_archived,
        "has_folders": has_folders,
        "folders": ChatFolder.objects.for_user(user),
        "row_query": f"?{urlencode(kept)}" if kept else "",
    }


def _page(rows: ChatSessionQuerySet, user: User, wanted: str, number: str) -> Any:
    if wanted:
        rows = rows.with_answering()
        return found_page(rows, owner=user, text=wanted, number=number_of(number, 4) or 1)
    page = Paginator(rows, SESSIONS_PER_PAGE).get_page(number)
    # Only now: to count them would else join the newest message of every chat there is.
    page.object_list = cast(ChatSessionQuerySet, page.object_list).with_answering()
    return page


def folder_in(request: HttpRequest) -> ChatFolder | None:
    """`?folder=`; 404 where it is nobody's or somebody else's."""
    wanted = request.GET.get("folder", "")
    return folder_of(request, wanted) if wanted else None


def _version(request: HttpRequest, user: User) -> ModelVersion | None:
    """`?version=`: only the chats that this model version answered in."""
    wanted = request.GET.get("version", "")
    if not wanted:
        return None
    return owned_or_404(ModelVersion.objects.for_user(user).select_related("family"), pk=wanted)
