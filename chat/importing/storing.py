"""Conversations become chats. Ids follow from those of the source, so that a repeated import finds
what is there already, and adds what has been said since."""

import io
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import User
from chat import attachments
from chat.importing import own
from chat.importing.conversations import USER, Conversation, Said
from chat.importing.enclosures import Enclosure, Enclosures
from chat.models import Attachment, ChatSession, Message, MessageRole, TitleSource
from chat.search import index
from chat.services import usable_models
from chat.titles import title_of

NAMESPACE = uuid.UUID("5f0f1b3c-2d0a-5c55-9d86-1f6b8f3a7b10")
BATCH = 500
# Of one import: many questions may name the same file.
KEPT_MAX_BYTES = 2 * 1024**3

# `known`: all of it is here; `deleted`: it is among the deleted chats, which can be restored.
State = Literal["new", "grown", "known", "deleted"]


class Writer:
    """Writes for one person. `state` looks without writing. `kept` is called after each file: many
    pictures take their time."""

    def __init__(self, owner: User, enclosures: Enclosures, kept: Callable[[], None]) -> None:
        self.owner = owner
        self._enclosures, self._kept, self._kept_bytes = enclosures, kept, 0
        self._models: dict[str, int | None] = {}

    def state(self, conversation: Conversation) -> State:
        session = self._session(conversation)
        if session is not None and session.deleted_at is not None:
            return "deleted"
        wanted = self._wanted(session, conversation)
        conversation.enclosed = sum(len(said.files) for said in wanted)
        return "new" if session is None else "grown" if wanted else "known"

    def write(self, conversation: Conversation) -> State:
        files = self._keep_files(conversation)
        with transaction.atomic():
            session = self._session(conversation)
            if session is None:
                self._attach(self._create(conversation), files)
                return "new"
            if session.deleted_at is not None:
                return "deleted"
            is_grown = self._grow(session, conversation)
            self._attach(session, files)
            return "grown" if is_grown else "known"

    def _keep_files(self, conversation: Conversation) -> dict[str, list[Attachment]]:
        """Of messages that are not here yet, by their keys. As files that are not sent: what is not
        attached then is forgotten like any other."""
        found: dict[str, list[Attachment]] = {}
        for said in self._wanted(self._session(conversation), conversation):
            tried = map(self._keep, said.files[: attachments.MAX_PER_MESSAGE])
            kept = [each for each in tried if each]
            conversation.left_out["files"] += len(said.files) - len(kept)
            conversation.enclosed += len(kept)
            if kept:
                found[said.key] = kept
        return found

    def _keep(self, each: Enclosure) -> Attachment | None:
        content = self._enclosures.content(each)
        if not content or self._kept_bytes > KEPT_MAX_BYTES:
            return None
        try:
            kept = attachments.keep(
                owner=self.owner, file=io.BytesIO(content), name=each.name, is_draft=False
            )
        except ValidationError:
            return None
        self._kept_bytes += kept.size_bytes
        self._kept()
        return kept

    def _attach(self, session: ChatSession, files: dict[str, list[Attachment]]) -> None:
        for key, kept in files.items():
            for position, each in enumerate(kept):
                each.message_id, each.position = _message_id(session.pk, key), position
                each.save(update_fields=["message", "position"])

    def _session(self, conversation: Conversation) -> ChatSession | None:
        rows = ChatSession.objects.filter(owner=self.owner)
        ids = [self._id(conversation)]
        if conversation.source == own.SOURCE:
            ids.append(_uuid(conversation.key) or ids[0])
        return rows.filter(pk__in=ids).first()

    def _id(self, conversation: Conversation) -> uuid.UUID:
        name = f"{self.owner.pk}:{conversation.source}:{conversation.key}"
        return uuid.uuid5(NAMESPACE, name)

    def _wanted(self, session: ChatSession | None, conversation: Conversation) -> list[Said]:
        """Messages that are not here yet, and may come."""
        if session is None:
            return conversation.messages
        return [] if session.deleted_at else self._missing(session, conversation)

    def _missing(self, session: ChatSession, conversation: Conversation) -> list[Said]:
        here = set(session.messages.values_list("pk", flat=True))
        if _uuid(conversation.key) == session.pk:  # exported from here: its ids are ours
            return []
        return [
            said for said in conversation.messages if _message_id(session.pk, said.key) not in here
        ]

    def _create(self, conversation: Conversation) -> ChatSession:
        first = next((each.content for each in conversation.messages if each.role == USER), "")
        at = conversation.created_at or _earliest(conversation.messages) or timezone.now()
        latest = max((each.at for each in conversation.messages if each.at), default=at)
        session = ChatSession.objects.create(
            pk=self._id(conversation),
            owner=self.owner,
            title=conversation.title or title_of(first),
            title_source=TitleSource.PERSON if conversation.title else TitleSource.QUESTION,
            model_id=self._model(conversation.model),
            system_prompt=conversation.system_prompt,
            is_pinned=conversation.is_pinned,
            is_archived=conversation.is_archived,
            created_at=at,
            updated_at=conversation.updated_at or latest,
        )
        self._add(session, conversation, conversation.messages)
        session.tip_id = _tip(session, conversation)
        session.save(update_fields=["tip"])
        return session

    def _grow(self, session: ChatSession, conversation: Conversation) -> bool:
        """The leaf that is shown moves on, unless the chat has gone on here meanwhile."""
        missing = self._missing(session, conversation)
        if not missing:
            return False
        imported = {_message_id(session.pk, said.key) for said in conversation.messages}
        session.revision = ChatSession.objects.bump(session.pk)
        self._add(session, conversation, missing)
        if session.tip_id is None or session.tip_id in imported:
            session.tip_id = _tip(session, conversation)
        session.updated_at = max(session.updated_at, conversation.updated_at or session.updated_at)
        session.save(update_fields=["tip", "updated_at"])
        return True

    def _add(
        self, session: ChatSession, conversation: Conversation, wanted: Sequence[Said]
    ) -> None:
        """`wanted` of the messages, which all count for the positions."""
        depths: dict[str | None, int] = {None: -1}
        for said in conversation.messages:
            depths[said.key] = depths[said.parent] + 1
        times = _times(session, conversation)
        rows = [_row(session, said, depths[said.key], times[said.key]) for said in wanted]
        Message.objects.bulk_create(rows, batch_size=BATCH)
        index.add(sorted(rows, key=lambda row: row.created_at))

    def _model(self, name: str) -> int | None:
        """One that the owner can use now, where its name fits exactly one."""
        if name and name not in self._models:
            found = list(usable_models(self.owner).filter(model_id=name)[:2])
            self._models[name] = found[0].pk if len(found) == 1 else None
        return self._models.get(name)


def _times(session: ChatSession, conversation: Conversation) -> dict[str, datetime]:
    """When each was said. Versions of one message are shown in that order, so that two of the same
    moment are told apart by their places in the file."""
    taken: set[tuple[str | None, datetime]] = set()
    times = {}
    for said in conversation.messages:
        at = said.at or session.created_at
        while (said.parent, at) in taken:
            at += timedelta(microseconds=1)
        taken.add((said.parent, at))
        times[said.key] = at
    return times


def _row(session: ChatSession, said: Said, position: int, at: datetime) -> Message:
    return Message(
        pk=_message_id(session.pk, said.key),
        session=session,
        parent_id=_message_id(session.pk, said.parent) if said.parent else None,
        position=position,
        role=MessageRole(said.role),
        content=said.content,
        thinking_content=said.thinking,
        thinking_ms=said.thinking_ms,
        revision=session.revision,
        model_label=said.model,
        prompt_tokens=said.prompt_tokens,
        completion_tokens=said.completion_tokens,
        created_at=at,
    )


def _tip(session: ChatSession, conversation: Conversation) -> uuid.UUID:
    """The leaf that was shown, else the last of all."""
    keys = {said.key for said in conversation.messages}
    shown = conversation.shown if conversation.shown in keys else conversation.messages[-1].key
    return _message_id(session.pk, shown or "")


def _message_id(session_id: uuid.UUID, key: str) -> uuid.UUID:
    return uuid.uuid5(session_id, key)


def _earliest(messages: Sequence[Said]) -> datetime | None:
    return min((each.at for each in messages if each.at), default=None)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
