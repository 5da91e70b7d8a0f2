"""Whose export a conversation is of, and what it says."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from chat.importing import chatgpt, openwebui, own
from chat.importing.conversations import (
    MAX_MESSAGES,
    Conversation,
    Skipped,
    line_of,
)

SOURCES = (chatgpt, openwebui, own)


def understood(value: Any) -> Conversation:
    """Raises Skipped."""
    if not isinstance(value, Mapping):
        raise Skipped("unknown")
    source = next((each for each in SOURCES if each.is_one(value)), None)
    if source is None:
        raise Skipped("unknown", line_of(value.get("title") or value.get("name")))
    found = source.read(value)
    if not any(said.content.strip() or said.thinking for said in found.messages):
        raise Skipped("empty", found.title)
    if len(found.messages) > MAX_MESSAGES:
        raise Skipped("long", found.title, limit=MAX_MESSAGES)
    found.key = found.key or hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    return found
