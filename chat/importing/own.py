"""Conversations as this platform exports them (exporting.as_json)."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from chat.importing.conversations import (
    ASSISTANT,
    USER,
    Conversation,
    Said,
    count_of,
    in_order,
    line_of,
    list_of,
    mapping_of,
    text_of,
    time_of,
)
from chat.importing.enclosures import Holds, nothing

SOURCE = "own"


def is_one(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("session"), Mapping) and isinstance(value.get("messages"), list)


def read(value: Mapping[str, Any], _holds: Holds = nothing) -> Conversation:
    session = mapping_of(value.get("session"))
    left_out: Counter[str] = Counter()
    rows = map(mapping_of, list_of(value.get("messages")))
    said = [found for row in rows if (found := _said(row, left_out))]
    shown = list_of(value.get("shown"))
    key = session.get("id")
    return Conversation(
        source=SOURCE,
        key=key if isinstance(key, str) else "",
        title=line_of(session.get("title")),
        messages=in_order(said),
        shown=str(shown[-1]) if shown else None,
        created_at=time_of(session.get("created_at")),
        updated_at=time_of(session.get("updated_at")),
        system_prompt=text_of(session.get("system_prompt")),
        is_pinned=session.get("is_pinned") is True,
        left_out=left_out,
    )


def _said(row: Mapping[str, Any], left_out: Counter[str]) -> Said | None:
    role, key, parent = row.get("role"), row.get("id"), row.get("parent_id")
    if role not in (USER, ASSISTANT) or not isinstance(key, str):
        return None
    for file in map(mapping_of, list_of(row.get("attachments"))):
        left_out["images" if file.get("kind") == "image" else "files"] += 1
    return Said(
        key=key,
        parent=parent if isinstance(parent, str) else None,
        role=role,
        content=text_of(row.get("content")),
        thinking=text_of(row.get("thinking_content")),
        thinking_ms=count_of(row.get("thinking_ms")),
        at=time_of(row.get("created_at")),
        model=line_of(row.get("model")) if role == ASSISTANT else "",
        prompt_tokens=count_of(row.get("prompt_tokens")),
        completion_tokens=count_of(row.get("completion_tokens")),
    )
