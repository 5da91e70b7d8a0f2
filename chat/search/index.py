"""Messages go into the index when their text is final, and out of it before it changes."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from chat.models import ChatSession, Message, SearchEntry
from chat.search import store
from chat.search.terms import terms_of

AT_ONCE = 500


def add(messages: Iterable[Message], *, first_id: int | None = None) -> int:
    """Of which none is in it yet; how many. Call it in the transaction that wrote the texts, the
    oldest message first. Whatever makes messages by itself (a copy, an import) calls it too.

    `first_id`: the entries get this id and lower ones instead of the next higher ones.
    """
    entries = [_entry(message) for message in messages if message.content]
    if first_id is not None:
        for number, entry in enumerate(entries):
            entry.pk = first_id - number
    made = SearchEntry.objects.bulk_create(entries)
    if connection.vendor == "sqlite":
        store.add([(entry.pk, entry.terms) for entry in made])
    return len(made)


def _entry(message: Message) -> SearchEntry:
    owner_id, session_id = message.session.owner_id, message.session_id
    terms = terms_of(owner_id, message.content)
    return SearchEntry(owner_id=owner_id, session_id=session_id, message=message, terms=terms)


def remove(**wanted: Any) -> None:
    """The entries with these fields, while their messages are as they were when they were added."""
    rows = SearchEntry.objects.filter(**wanted)
    if connection.vendor == "sqlite":
        texts = rows.values_list("pk", "owner_id", "message__content")
        batch: list[tuple[int, Sequence[int]]] = []
        for pk, owner_id, content in texts.iterator(AT_ONCE):
            batch.append((pk, terms_of(owner_id, content)))
            if len(batch) == AT_ONCE:
                store.remove(batch)
                batch = []
        store.remove(batch)
    rows.delete()


@receiver(pre_delete, sender=ChatSession)
def _session_goes(instance: ChatSession, **_told: Any) -> None:
    """The database deletes the entries itself; what SQLite's index holds, it does not know."""
    if connection.vendor == "sqlite":
        remove(session=instance)
