"""API: what hangs below `chat/`."""

from chat.api.attachments import attachments_router
from chat.api.imports import imports_router
from chat.api.sessions import sessions_router

__all__ = ["attachments_router", "imports_router", "sessions_router"]
