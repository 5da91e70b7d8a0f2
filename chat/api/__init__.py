"""API: what hangs below `chat/`, `comparisons/` and `feedback/`."""

from chat.api.attachments import attachments_router
from chat.api.batches import batches_router
from chat.api.collections import collections_router, origins_router
from chat.api.comparisons import comparisons_router
from chat.api.deleted import deleted_router
from chat.api.feedback import feedback_router
from chat.api.folders import folders_router
from chat.api.imports import imports_router
from chat.api.reviewing import inbox_router, reviewers_router
from chat.api.sessions import sessions_router
from chat.api.shares import shared_router, shares_router

__all__ = [
    "attachments_router",
    "batches_router",
    "collections_router",
    "comparisons_router",
    "deleted_router",
    "feedback_router",
    "folders_router",
    "imports_router",
    "inbox_router",
    "origins_router",
    "reviewers_router",
    "sessions_router",
    "shared_router",
    "shares_router",
]
