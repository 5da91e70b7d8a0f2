"""API: what hangs below `chat/`."""

from chat.api.sessions import sessions_router

__all__ = ["sessions_router"]
