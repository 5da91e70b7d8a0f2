"""What chats are made of."""

from chat.models.attachments import Attachment, AttachmentKind, AttachmentQuerySet
from chat.models.comparisons import (
    COLUMNS_MAX,
    COLUMNS_MIN,
    LETTERS,
    Comparison,
    ComparisonColumn,
    ComparisonQuerySet,
    ComparisonTag,
    Outcome,
    Vote,
)
from chat.models.folders import ChatFolder
from chat.models.search import FIRST_ID, SearchEntry, SearchFill, word_of
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
    "COLUMNS_MAX",
    "COLUMNS_MIN",
    "FIRST_ID",
    "LETTERS",
    "LOST_AFTER",
    "Attachment",
    "AttachmentKind",
    "AttachmentQuerySet",
    "ChatFolder",
    "ChatSession",
    "ChatSessionQuerySet",
    "ChatSettings",
    "Comparison",
    "ComparisonColumn",
    "ComparisonQuerySet",
    "ComparisonTag",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
    "Outcome",
    "SearchEntry",
    "SearchFill",
    "TitleSource",
    "TitleWriter",
    "Vote",
    "word_of",
]
