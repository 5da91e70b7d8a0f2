"""How watchers hear of changes in a session. What they are sent then: docs/events.md."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llmplatform.nudges import Hear, News, nudges

CHANGED: dict[str, Any] = {"type": "changed"}


def _topic(session_id: object) -> str:
    return f"chat.{session_id}"


def text_nudge(
    session_id: object,
    message_id: object,
    *,
    thinking_at: int,
    thinking: str,
    content_at: int,
    content: str,
) -> News:
    """New text of a running answer; `*_at` is how much of it was there before, in characters."""
    return _topic(session_id), {
        "type": "text",
        "id": str(message_id),
        "thinking_at": thinking_at,
        "thinking": thinking,
        "content_at": content_at,
        "content": content,
    }


def changed(session_id: object) -> News:
    """Something other than the text of a running answer has changed."""
    return _topic(session_id), CHANGED


def tell_changed(session_id: object) -> None:
    nudges.send_from_thread([changed(session_id)])


@contextmanager
def heard(session_id: object, hear: Hear) -> Iterator[None]:
    """While it lasts, `hear` is called, in this event loop, with each nudge about the session."""
    with nudges.heard(_topic(session_id), hear):
        yield
