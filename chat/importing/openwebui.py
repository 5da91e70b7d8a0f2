"""Conversations as Open WebUI exports them: `chat.history.messages` is a tree, `currentId` the
leaf. Thoughts stand in the text, as `<details type="reasoning">`."""

import html
import re
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
from chat.importing.enclosures import Enclosure, Holds, from_data_url, from_text, nothing

SOURCE = "openwebui"
THOUGHTS = re.compile(
    r'<details type="reasoning"([^>]*)>\s*(?:<summary>.*?</summary>)?(.*?)</details>\s*', re.S
)
DURATION = re.compile(r'duration="(\d{1,6})')
TOOLS = re.compile(r'<details type="tool_calls".*?</details>\s*', re.S)
COUNTS = {
    "prompt_tokens": ("prompt_tokens", "input_tokens", "prompt_eval_count"),
    "completion_tokens": ("completion_tokens", "output_tokens", "eval_count"),
}


def is_one(value: Mapping[str, Any]) -> bool:
    chat = mapping_of(value.get("chat")) or value
    return isinstance(mapping_of(chat.get("history")).get("messages"), Mapping)


def read(value: Mapping[str, Any], _holds: Holds = nothing) -> Conversation:
    chat = mapping_of(value.get("chat")) or value
    history = mapping_of(chat.get("history"))
    left_out: Counter[str] = Counter()
    said = [
        found
        for key, message in history["messages"].items()
        if (found := _said(str(key), mapping_of(message), left_out))
    ]
    shown = history.get("currentId")
    key = value.get("id") or chat.get("id")
    return Conversation(
        source=SOURCE,
        key=key if isinstance(key, str) else "",
        title=line_of(value.get("title") or chat.get("title")),
        messages=in_order(said),
        shown=shown if isinstance(shown, str) else None,
        created_at=time_of(value.get("created_at") or chat.get("timestamp")),
        updated_at=time_of(value.get("updated_at")),
        system_prompt=text_of(chat.get("system") or mapping_of(chat.get("params")).get("system")),
        is_pinned=value.get("pinned") is True,
        is_archived=value.get("archived") is True,
        left_out=left_out,
    )


def _said(key: str, message: Mapping[str, Any], left_out: Counter[str]) -> Said | None:
    role = message.get("role")
    if role not in (USER, ASSISTANT):
        return None
    files = []
    for file in map(mapping_of, list_of(message.get("files"))):
        found_file = _file(file) if role == USER else None
        if found_file:
            files.append(found_file)
        else:
            left_out["images" if file.get("type") == "image" else "files"] += 1
    content, parent = text_of(message.get("content")), message.get("parentId")
    found = Said(
        key=key,
        parent=str(parent) if parent is not None else None,
        role=role,
        content=content,
        at=time_of(message.get("timestamp")),
        files=files,
    )
    if role == ASSISTANT:
        _take_apart(found, left_out)
        found.model = line_of(message.get("model"))
        usage = mapping_of(message.get("usage") or message.get("info"))
        for name, known_as in COUNTS.items():
            setattr(found, name, count_of(next((usage[n] for n in known_as if n in usage), None)))
    return found


def _file(file: Mapping[str, Any]) -> Enclosure | None:
    """An image in the conversation, or the text of a document; others lie on that platform."""
    name = line_of(file.get("name"))
    if file.get("type") == "image":
        return from_data_url(file.get("url"), name or "image")
    stored = mapping_of(file.get("file"))
    text = text_of(mapping_of(stored.get("data")).get("content"))
    return from_text(text, name or line_of(stored.get("filename")) or "file.txt")


def _take_apart(found: Said, left_out: Counter[str]) -> None:
    """Thoughts, calls of tools, and the answer."""
    found.content, calls = TOOLS.subn("", found.content)
    left_out["tools"] += calls
    thoughts = list(THOUGHTS.finditer(found.content))
    if not thoughts:
        return
    found.thinking = "\n\n".join(_unquoted(each[2]) for each in thoughts)
    seconds = [int(spent[1]) for each in thoughts if (spent := DURATION.search(each[1]))]
    found.thinking_ms = min(sum(seconds) * 1000, 2**31 - 1) if seconds else None
    found.content = THOUGHTS.sub("", found.content)


def _unquoted(text: str) -> str:
    lines = (line.removeprefix(">").removeprefix(" ") for line in html.unescape(text).splitlines())
    return "\n".join(lines).strip()
