"""API: what hangs below `chat/`."""

from chat.api.attachments import attachments_router
from chat.api.deleted import deleted_router
from chat.api.folders import folders_router
from chat.api.sessions import sessions_router

__all__ = ["attachments_router", "deleted_router", "folders_router", "sessions_router"]
