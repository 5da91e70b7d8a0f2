"""How watchers hear of changes: nudges through the channel layer. Formats: docs/events.md.

Losing a nudge costs a second: the database is the truth, and watchers look there by themselves.
"""

import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

logger = logging.getLogger(__name__)


def group_of(session_id: object) -> str:
    return f"chat.{session_id}"


def text_nudge(
    message_id: object, *, thinking_at: int, thinking: str, content_at: int, content: str
) -> dict[str, Any]:
    """New text of a running answer; `*_at` is how much of it was there before, in characters."""
    return {
        "type": "chat.text",
        "id": str(message_id),
        "thinking_at": thinking_at,
        "thinking": thinking,
        "content_at": content_at,
        "content": content,
    }


CHANGED: dict[str, Any] = {"type": "chat.changed"}


async def send(session_id: object, nudge: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        await layer.group_send(group_of(session_id), {**nudge, "session": str(session_id)})
    except OSError:
        logger.warning("the channel layer does not answer; watchers will poll")


def tell_changed(session_id: object) -> None:
    """Something other than the text of a running answer has changed."""
    async_to_sync(send)(session_id, CHANGED)
