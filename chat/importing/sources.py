"""Whose export a conversation is of, and what it says."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from chat.importing import chatgpt, openwebui, own
from chat.importing.conversations import (
    MAX_MESSAGES,
    Conversation,
    Skipped,
    line_of,
)
from chat.importing.enclosures import Holds, nothing

Value = Mapping[str, Any]
SOURCES: tuple[tuple[Callable[[Value], bool], Callable[[Value, Holds], Conversation]], ...] = (
    (chatgpt.is_one, chatgpt.read),
    (openwebui.is_one, openwebui.read),
    (own.is_one, own.read),
)


def understood(value: Any, holds: Holds = nothing) -> Conversation:
    """`holds`: which files come with it. Raises Skipped."""
    if not isinstance(value, Mapping):
        raise Skipped("unknown")
    read = next((read for is_one, read in SOURCES if is_one(value)), None)
    if read is None:
        raise Skipped("unknown", line_of(value.get("title") or value.get("name")))
    found = read(value, holds)
    if not any(said.content.strip() or said.thinking or said.files for said in found.messages):
        raise Skipped("empty", found.title)
    if len(found.messages) > MAX_MESSAGES:
        raise Skipped("long", found.title, limit=MAX_MESSAGES)
    found.key = found.key or hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return found
