"""What chats are made of."""

from chat.models.attachments import Attachment, AttachmentKind, AttachmentQuerySet
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
    "LOST_AFTER",
    "Attachment",
    "AttachmentKind",
    "AttachmentQuerySet",
    "ChatSession",
    "ChatSessionQuerySet",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
]
