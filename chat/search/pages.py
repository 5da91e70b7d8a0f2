"""What a search found, a page at a time."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.urls import reverse

from accounts.models import User
from chat.models import ChatSession, SearchFill
from chat.search import filling
from chat.search.finding import Hit, Hits, find
from chat.search.terms import Query

HITS_PER_PAGE = 20


@dataclass(frozen=True)
class FoundPage:
    """How many there are in all, nobody counts: to know it, every one would have to be read.

    `missing`: older messages are not in the index yet.
    """

    hits: list[Hit]
    number: int
    has_next: bool
    is_asked: bool
    missing: SearchFill | None

    @property
    def has_previous(self) -> bool:
        return self.number > 1


def page_of(hit: Hit, words: str) -> str:
    """Its conversation, at the message where the words are."""
    page = reverse("chat:session", args=[hit.chat.pk])
    if hit.message_id is None:
        return page
    return f"{page}?{urlencode({'q': words, 'at': hit.message_id})}#message-{hit.message_id}"


def found_page(chats: QuerySet[ChatSession], *, owner: User, text: str, number: int) -> FoundPage:
    number = max(1, number)
    found: Hits = find(
        chats, owner=owner, text=text, start=HITS_PER_PAGE * (number - 1), count=HITS_PER_PAGE
    )
    return FoundPage(
        found.items,
        number,
        has_next=found.has_more,
        is_asked=bool(Query(text)),
        missing=filling.state(),
    )
