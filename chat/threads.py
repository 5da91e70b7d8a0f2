"""The tree of a conversation's messages, and the path of it that is shown."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from django.db.models import prefetch_related_objects

from chat.models import ChatSession, Message, MessageStatus

IDS_PER_QUERY = 1000


class Node(NamedTuple):
    """A message without its text. `position` is how many come before it."""

    pk: uuid.UUID
    parent_id: uuid.UUID | None
    position: int
    revision: int
    status: str

    @property
    def is_streaming(self) -> bool:
        return self.status == MessageStatus.STREAMING


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
    """The messages of one session; texts are read of those that are asked for."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self._by_id = {node.pk: node for node in nodes}
        self._children: dict[uuid.UUID | None, list[Node]] = {}
        for node in self._by_id.values():
            self._children.setdefault(node.parent_id, []).append(node)

    @classmethod
    def of(cls, session: ChatSession, *, since: int = 0, until: int | None = None) -> Self:
        """Without those before the position `since`: paths begin there; and from `until` on."""
        rows = session.messages.order_by("position", "created_at", "pk")
        rows = rows.filter(position__gte=since) if since else rows
        rows = rows if until is None else rows.filter(position__lt=until)
        return cls(map(Node._make, rows.values_list(*Node._fields)))

    @property
    def nodes(self) -> list[Node]:
        """By their position."""
        return list(self._by_id.values())

    @property
    def is_answering(self) -> bool:
        return any(node.is_streaming for node in self.nodes)

    def nodes_to(self, message_id: uuid.UUID | None) -> list[Node]:
        """From the first question to this message."""
        path: list[Node] = []
        node = self._by_id.get(message_id) if message_id else None
        while node is not None:
            path.append(node)
            node = self._by_id.get(node.parent_id) if node.parent_id else None
        return path[::-1]

    def path_to(self, message_id: uuid.UUID | None) -> list[Message]:
        """From the first question to this message, with their texts."""
        return read(self.nodes_to(message_id))

    def turns(self, nodes: Sequence[Node]) -> list[Turn]:
        """With their sources."""
        return [
            Turn(message, tuple(each.pk for each in self._children[message.parent_id]))
            for message in with_sources(read(nodes))
        ]

    def newest_leaf(self, message_id: uuid.UUID) -> Node:
        """Where the conversation went on last below this message."""
        node = self._by_id[message_id]
        while children := self._children.get(node.pk):
            node = children[-1]
        return node


def with_sources(messages: Sequence[Message]) -> Sequence[Message]:
    """What answers rest on is read only where it is shown."""
    answers = [message for message in messages if not message.is_question]
    prefetch_related_objects(answers, "sources__base")
    return messages


def read(nodes: Sequence[Node]) -> list[Message]:
    """Those messages, but for what was deleted meanwhile."""
    found: dict[uuid.UUID, Message] = {}
    for start in range(0, len(nodes), IDS_PER_QUERY):
        ids = [node.pk for node in nodes[start : start + IDS_PER_QUERY]]
        rows = Message.objects.order_by().filter(pk__in=ids).prefetch_related("attachments")
        found |= {row.pk: row for row in rows}
    return [found[node.pk] for node in nodes if node.pk in found]
