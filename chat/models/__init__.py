"""What chats are made of."""

from chat.models.folders import ChatFolder
from chat.models.sessions import (
    LOST_AFTER,
    ChatSession,
    ChatSessionQuerySet,
    Message,
    MessageQuerySet,
    MessageRole,
    MessageStatus,
    TitleSource,
)
from chat.models.settings import ChatSettings, TitleWriter

__all__ = [
    "LOST_AFTER",
    "ChatFolder",
    "ChatSession",
    "ChatSessionQuerySet",
    "ChatSettings",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
    "TitleSource",
    "TitleWriter",
]
