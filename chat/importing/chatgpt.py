"""Conversations as ChatGPT exports them: `mapping` is a tree of nodes, `current_node` the leaf.

Tools, hidden messages and notes of the system are left out; what followed them hangs below what
was before them.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from chat.importing.conversations import (
    ASSISTANT,
    USER,
    Conversation,
    Said,
    in_order,
    joined,
    line_of,
    list_of,
    mapping_of,
    text_of,
    time_of,
)
from chat.importing.enclosures import ID, Enclosure, Holds, nothing

SOURCE = "chatgpt"
PARTS = ("text", "multimodal_text")


def is_one(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("mapping"), Mapping)


def read(value: Mapping[str, Any], holds: Holds = nothing) -> Conversation:
    nodes = {
        str(key): mapping_of(node) for key, node in value["mapping"].items() if node is not None
    }
    left_out: Counter[str] = Counter()
    said = {
        key: found for key, node in nodes.items() if (found := _said(key, node, left_out, holds))
    }
    for each in said.values():
        each.parent = _nearest(each.parent, nodes, said)
    shown = value.get("current_node")
    messages, leaf = joined(
        in_order(said.values()), _nearest(str(shown) if shown else None, nodes, said)
    )
    key = value.get("conversation_id") or value.get("id")
    return Conversation(
        source=SOURCE,
        key=str(key) if isinstance(key, str) else "",
        title=line_of(value.get("title")),
        messages=messages,
        shown=leaf,
        created_at=time_of(value.get("create_time")),
        updated_at=time_of(value.get("update_time")),
        is_archived=value.get("is_archived") is True,
        left_out=left_out,
    )


def _nearest(
    key: str | None, nodes: Mapping[str, Mapping[str, Any]], said: Mapping[str, Said]
) -> str | None:
    """The message that is kept, at or above this node."""
    seen = set()
    while key is not None and key not in said and key not in seen:
        seen.add(key)
        parent = nodes.get(key, {}).get("parent")
        key = str(parent) if parent is not None else None
    return key if key in said else None


def _said(key: str, node: Mapping[str, Any], left_out: Counter[str], holds: Holds) -> Said | None:
    message = mapping_of(node.get("message"))
    role = mapping_of(message.get("author")).get("role")
    metadata = mapping_of(message.get("metadata"))
    if role == "tool":
        left_out["tools"] += 1
    is_hidden = metadata.get("is_visually_hidden_from_conversation") is True
    is_call = message.get("recipient") not in (None, "all")
    if role not in (USER, ASSISTANT) or is_hidden or is_call:
        return None
    body = mapping_of(message.get("content"))
    content, thinking = _content(body)
    files = _files(body, metadata, left_out, holds if role == USER else nothing)
    if not content.strip() and not thinking.strip() and not files:
        return None
    parent = node.get("parent")
    return Said(
        key=key,
        parent=str(parent) if parent is not None else None,
        role=role,
        content=content,
        thinking=thinking,
        at=time_of(message.get("create_time")),
        model=line_of(metadata.get("model_slug")) if role == ASSISTANT else "",
        files=files,
    )


def _files(
    content: Mapping[str, Any], metadata: Mapping[str, Any], left_out: Counter[str], holds: Holds
) -> list[Enclosure]:
    """An image is among the parts, and where it was sent as a file among the attachments, too."""
    found: dict[str, Enclosure] = {}
    for row in map(mapping_of, list_of(metadata.get("attachments"))):
        key = str(row.get("id"))
        is_image = str(row.get("mime_type", row.get("mimeType"))).startswith("image/")
        if holds(key):
            found[key] = Enclosure(line_of(row.get("name")) or key, key)
        elif not is_image:  # an image is counted by its part
            left_out["files"] += 1
    for part in list_of(content.get("parts")):
        if not isinstance(part, Mapping) or _words(part):
            continue
        key = _id_of(part.get("asset_pointer"))
        is_sound = "audio" in str(part.get("content_type"))
        if holds(key):
            found.setdefault(key, Enclosure("image", key))
        else:
            left_out["files" if is_sound else "images"] += 1
    return list(found.values())


def _words(part: Any) -> str:
    """Also of what was spoken."""
    is_spoken = isinstance(part, Mapping) and part.get("content_type") == "audio_transcription"
    return text_of(part["text"] if is_spoken and "text" in part else part)


def _id_of(pointer: Any) -> str:
    """Of `file-service://file-AbC` and `sediment://file_00ff#more`."""
    named = ID.match(pointer.rpartition("://")[2]) if isinstance(pointer, str) else None
    return named[0] if named else ""


def _content(content: Mapping[str, Any]) -> tuple[str, str]:
    """The words, and the thoughts."""
    kind = content.get("content_type")
    if kind in PARTS:
        return "\n\n".join(filter(None, map(_words, list_of(content.get("parts"))))), ""
    if kind == "code":
        code = text_of(content.get("text"))
        language = content.get("language")
        name = language if isinstance(language, str) and language.isalnum() else ""
        fence = "~~~~" if "```" in code else "```"
        return f"{fence}{'' if name == 'unknown' else name}\n{code}\n{fence}" if code else "", ""
    if kind == "thoughts":
        thoughts = map(mapping_of, list_of(content.get("thoughts")))
        return "", "\n\n".join(filter(None, (text_of(each.get("content")) for each in thoughts)))
    return "", ""
