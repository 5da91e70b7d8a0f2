"""What chats are made of."""

from chat.models.comparisons import (
    COLUMNS_MAX,
    COLUMNS_MIN,
    Comparison,
    ComparisonColumn,
    ComparisonQuerySet,
    ComparisonTag,
    Outcome,
    Vote,
)
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
    "COLUMNS_MAX",
    "COLUMNS_MIN",
    "LOST_AFTER",
    "ChatSession",
    "ChatSessionQuerySet",
    "Comparison",
    "ComparisonColumn",
    "ComparisonQuerySet",
    "ComparisonTag",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
    "Outcome",
    "Vote",
]
