"""API: what hangs below `chat/` and `comparisons/`."""

from chat.api.attachments import attachments_router
from chat.api.comparisons import comparisons_router
from chat.api.sessions import sessions_router

__all__ = ["attachments_router", "comparisons_router", "sessions_router"]
