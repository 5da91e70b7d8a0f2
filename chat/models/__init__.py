"""What chats are made of."""

from chat.models.search import FIRST_ID, SearchEntry, SearchFill, word_of
from chat.models.sessions import (
    LOST_AFTER,
    ChatSession,
    ChatSessionQuerySet,
    Message,
    MessageQuerySet,
    MessageRole,
    MessageStatus,
)

__all__ = [
    "FIRST_ID",
    "LOST_AFTER",
    "ChatSession",
    "ChatSessionQuerySet",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
    "SearchEntry",
    "SearchFill",
    "word_of",
]
