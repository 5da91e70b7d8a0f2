"""What chats are made of."""

from chat.models.feedback import (
    CollectedRow,
    CollectedRowQuerySet,
    Collection,
    CollectionStatus,
    Feedback,
    FeedbackKind,
    FeedbackQuerySet,
    FeedbackReason,
    FeedbackTag,
    Purpose,
    Reviewer,
    ReviewState,
    TrainingConsent,
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
    "LOST_AFTER",
    "ChatSession",
    "ChatSessionQuerySet",
    "CollectedRow",
    "CollectedRowQuerySet",
    "Collection",
    "CollectionStatus",
    "Feedback",
    "FeedbackKind",
    "FeedbackQuerySet",
    "FeedbackReason",
    "FeedbackTag",
    "Message",
    "MessageQuerySet",
    "MessageRole",
    "MessageStatus",
    "Purpose",
    "ReviewState",
    "Reviewer",
    "TrainingConsent",
]
