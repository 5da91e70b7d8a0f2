"""History becomes the messages a model is sent."""

from collections.abc import Sequence

from chat.models import ChatSession, Message
from providers.types import ChatMessage

CONTINUE = "Continue your last answer exactly where it stopped. Do not repeat what is there."


def build(
    session: ChatSession, history: Sequence[Message], *, is_continued: bool = False
) -> list[ChatMessage]:
    """System prompt, then the turns. Thoughts are never sent back; empty answers are left out."""
    prompt = session.system_prompt or (session.model.system_prompt if session.model else "")
    messages = [ChatMessage("system", prompt)] if prompt.strip() else []
    for message in history:
        if message.is_question or message.content.strip():
            messages.append(ChatMessage(message.role, message.content))
    return [*messages, ChatMessage("user", CONTINUE)] if is_continued else messages
