"""Verbs about shared chats: share, bring up to date, revoke, read, take a copy."""

import re
import uuid
from collections.abc import Collection
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User, normal_email
from accounts.services import audit, notify
from accounts.types import Notice
from chat.copying import copy_path
from chat.models import Attachment, ChatSession, ChatShare, Message, TitleSource
from chat.services import usable_models
from chat.threads import Tree
from llmplatform.text import enumerated

READERS_MAX = 50
COPIED = (
    *("position", "role", "content", "thinking_content", "thinking_ms", "status", "error_code"),
    *("model_label", "finish_reason", "created_at", "remarks", "claims"),
)


def share_of(session: ChatSession) -> ChatShare | None:
    """The link to a chat, while there is one."""
    return ChatShare.objects.filter(session=session, revoked_at=None).first()


def share(
    *,
    session: ChatSession,
    actor: User,
    has_system_prompt: bool = False,
    has_thoughts: bool = True,
    readers: Collection[User] | None = None,
    request: HttpRequest | None = None,
) -> ChatShare:
    """Let colleagues with the link read what is shown now; a chat has one link, which stays the
    same when it is brought up to date. `readers`: who alone may; empty: whoever is signed in; None:
    as it was. Raises ValidationError."""
    options = {"has_system_prompt": has_system_prompt, "has_thoughts": has_thoughts}
    with transaction.atomic():
        ChatSession.objects.select_for_update().get(pk=session.pk)
        until_id = _settled_leaf(session)
        row = share_of(session)
        if row is None:
            row = ChatShare(owner=actor, session=session)
        row.until_id, row.updated_at = until_id, timezone.now()
        row.has_system_prompt, row.has_thoughts = has_system_prompt, has_thoughts
        action = "chat.share" if row._state.adding else "chat.share_update"
        if readers is not None:
            row.is_for_all = not readers
            options["is_for_all"] = row.is_for_all
        row.save()
        if readers is not None:
            _name(row, readers)
        audit(actor=actor, action=action, target=row, after=_told(row) | options, request=request)
    return row


def _name(row: ChatShare, readers: Collection[User]) -> None:
    """Those who are new among them are told."""
    before = set(row.readers.values_list("pk", flat=True))
    row.readers.set(readers)
    for reader in readers:
        if reader.pk not in before and reader.pk != row.owner_id:
            notify(reader, partial(_notice, row))


def _notice(row: ChatShare) -> Notice:
    title = _("%(owner)s shares a chat with you") % {"owner": row.owner.email}
    return Notice(title, str(row.session), reverse("chat:shared", args=[row.pk]))


def people(text: str) -> list[User]:
    """Those whose e-mail addresses stand in it. Raises ValidationError."""
    wanted = dict.fromkeys(map(normal_email, re.split(r"[\s,;，；、]+", text.strip())))
    addresses = [each for each in wanted if each][: READERS_MAX + 1]
    if len(addresses) > READERS_MAX:
        raise ValidationError(_("At most %(count)d people.") % {"count": READERS_MAX})
    found = {each.email: each for each in User.objects.filter(email__in=addresses, is_active=True)}
    unknown = [each for each in addresses if each not in found]
    if unknown:
        text = _("Nobody here signs in with %(addresses)s.") % {"addresses": enumerated(unknown)}
        raise ValidationError(text)
    return [found[each] for each in addresses]


def _settled_leaf(session: ChatSession) -> uuid.UUID:
    """The last message that will not change any more."""
    path = Tree.of(session).nodes_to(session.tip_id)
    while path and path[-1].is_streaming:
        path.pop()
    if not path:
        raise ValidationError(_("There is nothing to share yet."))
    return path[-1].pk


def _told(row: ChatShare) -> dict[str, Any]:
    return {"chat": str(row.session_id)}


def revoke(*, row: ChatShare, actor: User, request: HttpRequest | None = None) -> None:
    """The link leads nowhere from now on. What was copied stays with those who did."""
    with transaction.atomic():
        mine = ChatShare.objects.filter(pk=row.pk, revoked_at=None)
        if mine.update(revoked_at=timezone.now()):
            audit(
                actor=actor, action="chat.unshare", target=row, before=_told(row), request=request
            )


def messages_of(row: ChatShare) -> list[Message]:
    """What a reader sees: the path to the leaf, with thoughts if they are shown."""
    path = Tree.of(row.session).path_to(row.until_id)
    if not row.has_thoughts:
        for message in path:
            message.thinking_content, message.thinking_ms = "", None
    return path


def attachment_of(row: ChatShare, attachment_id: uuid.UUID) -> Attachment | None:
    """One of what a reader sees; None for any other."""
    shown = {node.pk for node in Tree.of(row.session).nodes_to(row.until_id)}
    rows = Attachment.objects.filter(pk=attachment_id, message__session=row.session_id)
    found = rows.first()
    return found if found is not None and found.message_id in shown else None


def copy(*, row: ChatShare, reader: User, request: HttpRequest | None = None) -> ChatSession:
    """A chat of the reader's own that goes on from what they see."""
    source, model_id = row.session, row.session.model_id
    usable = model_id is not None and usable_models(reader).filter(pk=model_id).exists()
    with transaction.atomic():
        session = ChatSession.objects.create(
            owner=reader,
            title=source.title,
            title_source=TitleSource.PERSON,
            model_id=model_id if usable else None,
            system_prompt=source.system_prompt if row.has_system_prompt else "",
        )
        copy_path(messages_of(row), session, COPIED)
        audit(
            actor=reader,
            action="chat.share_copy",
            target=row,
            after={"chat": str(session.pk)},
            request=request,
        )
    return session
