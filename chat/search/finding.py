"""Finds a person's chats by words in titles and messages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from chat.models import ChatSession, Message
from chat.search import store
from chat.search.snippets import Snippet, snippet
from chat.search.terms import Query

TEXT_MAX_CHARS = 200
CHATS_AT_ONCE = 40


@dataclass(frozen=True)
class Hit:
    """`title` where the words are in it; otherwise the newest message with them, and where."""

    chat: ChatSession
    title: Snippet | None = None
    message_id: UUID | None = None
    snippet: Snippet | None = None


@dataclass(frozen=True)
class Hits:
    items: list[Hit]
    has_more: bool


def find(
    chats: QuerySet[ChatSession], *, owner: User, text: str, start: int = 0, count: int = 20
) -> Hits:
    """Those of `chats`, all `owner`'s, in which every word of `text` is: first by their titles,
    then by messages, the newest first. `count` of them after the first `start`.
    """
    query = Query(text[:TEXT_MAX_CHARS])
    if not query:
        return Hits([], has_more=False)
    titled = _titled(chats, query)
    ids = set(titled.values_list("pk", flat=True))
    found = [
        Hit(chat, title=snippet(chat.title, query, len(chat.title)))
        for chat in titled[start : start + count + 1]
    ]
    if len(found) <= count:
        first = max(0, start - len(ids))
        rest = islice(_in_messages(chats, owner, query, ids), first, first + count + 1 - len(found))
        found += rest
    return Hits(found[:count], has_more=len(found) > count)


def _titled(chats: QuerySet[ChatSession], query: Query) -> QuerySet[ChatSession]:
    for word in (*query.words, *query.unspaced):
        chats = chats.filter(title__icontains=word)
    return chats


def _in_messages(
    chats: QuerySet[ChatSession], owner: User, query: Query, seen: set[UUID]
) -> Iterator[Hit]:
    """One hit for each chat that was not `seen`."""
    for rows in store.candidates(owner.pk, query.terms(owner.pk)):
        by_chat: dict[UUID, list[UUID]] = {}
        for _id, chat_id, message_id in rows:
            if chat_id not in seen:
                by_chat.setdefault(chat_id, []).append(message_id)
        mine = set(chats.order_by().filter(pk__in=list(by_chat)).values_list("pk", flat=True))
        order = [chat_id for chat_id in by_chat if chat_id in mine]
        for at in range(0, len(order), CHATS_AT_ONCE):
            chunk = order[at : at + CHATS_AT_ONCE]
            hits = _first_hits({chat_id: by_chat[chat_id] for chat_id in chunk}, query)
            seen.update(hits)
            for chat in _loaded(chats, [chat_id for chat_id in chunk if chat_id in hits]):
                message_id, content = hits[chat.pk]
                yield Hit(chat, message_id=message_id, snippet=snippet(content, query))


def _loaded(chats: QuerySet[ChatSession], ids: Sequence[UUID]) -> list[ChatSession]:
    found = {chat.pk: chat for chat in chats.order_by().filter(pk__in=ids)}
    return [found[chat_id] for chat_id in ids if chat_id in found]


def _first_hits(candidates: dict[UUID, list[UUID]], query: Query) -> dict[UUID, tuple[UUID, str]]:
    """Of each chat the first candidate that has the words, with its text. Most often that is the
    very first: more are read only of the chats where it is not."""
    hits: dict[UUID, tuple[UUID, str]] = {}
    left, at, size = candidates, 0, 1
    while left:
        wanted = [message_id for ids in left.values() for message_id in ids[at : at + size]]
        rows = Message.objects.order_by().filter(pk__in=wanted).values_list("pk", "content")
        texts = {pk: content for pk, content in rows if query.is_in(content)}
        for chat_id, ids in left.items():
            hit = next((each for each in ids[at : at + size] if each in texts), None)
            if hit is not None:
                hits[chat_id] = hit, texts[hit]
        at, size = at + size, size * 2
        left = {key: ids for key, ids in left.items() if key not in hits and len(ids) > at}
    return hits
