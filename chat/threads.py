"""The tree of a conversation's messages, and the path of it that is shown."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from chat.models import ChatSession, Message


@dataclass(frozen=True)
class Turn:
    """A message of the shown path. `versions` are it and its siblings, oldest first."""

    message: Message
    versions: tuple[uuid.UUID, ...]

    @property
    def number(self) -> int:
        return self.versions.index(self.message.pk) + 1

    @property
    def previous(self) -> uuid.UUID | None:
        return self.versions[self.number - 2] if self.number > 1 else None

    @property
    def next(self) -> uuid.UUID | None:
        return self.versions[self.number] if self.number < len(self.versions) else None


class Tree:
    """Every message of one session."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._by_id = {message.pk: message for message in messages}
        self._children: dict[uuid.UUID | None, list[Message]] = {}
        for message in self._by_id.values():
            self._children.setdefault(message.parent_id, []).append(message)

    @classmethod
    def of(cls, session: ChatSession) -> Self:
        rows = session.messages.order_by("position", "created_at", "pk")
        return cls(rows.prefetch_related("attachments"))

    def path_to(self, message_id: uuid.UUID | None) -> list[Message]:
        """From the first question to this message."""
        path: list[Message] = []
        message = self._by_id.get(message_id) if message_id else None
        while message is not None:
            path.append(message)
            message = self._by_id.get(message.parent_id) if message.parent_id else None
        return path[::-1]

    def turns(self, tip_id: uuid.UUID | None) -> list[Turn]:
        return [
            Turn(message, tuple(each.pk for each in self._children[message.parent_id]))
            for message in self.path_to(tip_id)
        ]

    def newest_leaf(self, message: Message) -> Message:
        """Where the conversation went on last below `message`."""
        while children := self._children.get(message.pk):
            message = children[-1]
        return message
