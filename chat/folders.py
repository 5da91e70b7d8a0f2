"""Verbs about folders of chats. Their names are private, so the audit log knows them by number."""

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from chat.models import ChatFolder

# All of them stand in the side list.
FOLDERS_MAX = 200


def create_folder(*, owner: User, name: str, request: HttpRequest | None = None) -> ChatFolder:
    """Raises ValidationError."""
    mine = ChatFolder.objects.for_user(owner)
    if mine.count() >= FOLDERS_MAX:
        raise ValidationError(
            _("You have %(count)d folders; more do not fit.") % {"count": FOLDERS_MAX}
        )
    return _saved(ChatFolder(owner=owner, name=name), owner, "chat_folder.create", request)


def rename_folder(
    *, folder: ChatFolder, actor: User, name: str, request: HttpRequest | None = None
) -> ChatFolder:
    """Raises ValidationError."""
    folder.name = name
    return _saved(folder, actor, "chat_folder.update", request)


def delete_folder(*, folder: ChatFolder, actor: User, request: HttpRequest | None = None) -> None:
    """Its chats stay, in no folder."""
    with transaction.atomic():
        _record(folder, actor, "chat_folder.delete", request)
        folder.delete()


def _saved(folder: ChatFolder, actor: User, action: str, request: HttpRequest | None) -> ChatFolder:
    taken = ValidationError({"name": [_("You have a folder with this name already.")]})
    same = ChatFolder.objects.for_user(folder.owner).filter(name__iexact=folder.name)
    if same.exclude(pk=folder.pk).exists():
        raise taken
    try:
        with transaction.atomic():
            folder.save()
            _record(folder, actor, action, request)
    except IntegrityError as error:
        raise taken from error
    return folder


def _record(folder: ChatFolder, actor: User, action: str, request: HttpRequest | None) -> None:
    audit(actor=actor, action=action, target=folder, is_private=True, request=request)
