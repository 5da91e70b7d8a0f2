"""Messages of one chat as the beginning of another."""

from collections.abc import Collection, Sequence

from chat import attachments
from chat.models import ChatSession, Message, MessageSource
from chat.search import index
from chat.threads import with_sources

# What is new in a copy, or belongs to the writing of the original: two chats that go on in one
# conversation of a provider would hear of each other.
OWN = frozenset(
    {"id", "session_id", "parent_id", "revision", "run", "heartbeat_at", "provider_state"}
)
WHOLE = frozenset(field.attname for field in Message._meta.concrete_fields) - OWN

SOURCE = frozenset(field.attname for field in MessageSource._meta.concrete_fields) - {
    "id",
    "message_id",
}


def copy_path(
    path: Sequence[Message], session: ChatSession, fields: Collection[str] = WHOLE
) -> None:
    """Into the empty `session`, with their files; of each message these fields. In a
    transaction."""
    made: list[Message] = []
    for original in path:
        values = {name: getattr(original, name) for name in fields}
        parent_id = made[-1].pk if made else None
        made.append(Message(session=session, parent_id=parent_id, **values))
    Message.objects.bulk_create(made)
    index.add(made)
    for original, clone in zip(path, made, strict=True):
        attachments.copy(source=original, target=clone, owner=session.owner)
    _copy_sources(path, made)
    session.tip = made[-1] if made else None
    session.save(update_fields=["tip"])


def _copy_sources(path: Sequence[Message], made: Sequence[Message]) -> None:
    rows = []
    for original, clone in zip(with_sources(path), made, strict=True):
        for source in original.sources.all() if not original.is_question else ():
            values = {name: getattr(source, name) for name in SOURCE}
            rows.append(MessageSource(message=clone, **values))
    MessageSource.objects.bulk_create(rows)
