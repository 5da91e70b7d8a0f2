"""What a provider wants back with its own answers, so that it remembers the chat."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from chat.models import ChatSession, Message, MessageRole
from providers.types import ProviderState

# Dify's conversation and message, Gemini's signature of a text. Everything else is thoughts, which
# go back in loops of tools only; chats have none.
KEPT = ("conversation_id", "message_id", "text")


def kept(state: ProviderState) -> dict[str, Any]:
    """As a message keeps it; empty where nothing of it is for a chat."""
    data = {
        name: value
        for name in KEPT
        # PostgreSQL keeps no NUL.
        if isinstance(value := state.data.get(name), str) and value and "\x00" not in value
    }
    if not data:
        return {}
    return {
        "kind": state.kind,
        "provider_id": state.provider_id,
        "family": state.family,
        "data": data,
    }


def state_of(message: Message) -> ProviderState | None:
    return ProviderState(**message.provider_state) if message.provider_state else None


def states_of(session: ChatSession, history: Sequence[Message]) -> dict[UUID, ProviderState]:
    """Of the answers of this branch. A conversation that went on in another branch is not that of
    this one: the provider would remember what is not shown."""
    found = {each.pk: state for each in history if (state := state_of(each)) is not None}
    if any(map(_conversation, found.values())):
        rows = session.messages.filter(role=MessageRole.ASSISTANT)
        here = {each.pk for each in history}
        kept_elsewhere = [
            ProviderState(**row)
            for pk, row in rows.order_by().values_list("pk", "provider_state")
            if row and pk not in here
        ]
        strayed = set(map(_conversation, kept_elsewhere)) - {""}
        found = {pk: state for pk, state in found.items() if _conversation(state) not in strayed}
    return found


def _conversation(state: ProviderState) -> str:
    return str(state.data.get("conversation_id") or "")
