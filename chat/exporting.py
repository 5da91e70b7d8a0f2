"""A conversation as a file: Markdown for people, JSON for programs."""

import json
import re
from typing import Any

from django.db.models import Model
from django.http import HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from chat import citing
from chat.models import ChatSession, Message
from chat.schemas import MessageOut, SessionOut
from chat.threads import Tree, with_sources

FORMATS = {"md": "text/markdown", "json": "application/json"}


def as_markdown(session: ChatSession, *, has_thoughts: bool = True) -> str:
    """The shown path; thoughts as quotes, so that they stay apart from the answer."""
    parts = [f"# {session}"]
    if session.system_prompt:
        parts += [f"## {_('System prompt')}", session.system_prompt]
    for message in with_sources(Tree.of(session).path_to(session.tip_id)):
        who = _("You") if message.is_question else message.model_label or _("Assistant")
        parts.append(f"## {who}")
        if message.thinking_content and has_thoughts:
            lines = message.thinking_content.strip().splitlines()
            parts.append("\n".join(f"> {line}" for line in lines))
        parts += [f"- {_('File')}: {file.name}" for file in message.attachments.all()]
        parts.append(message.content)
        parts += [sources_of(message)]
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def sources_of(message: Message) -> str:
    """The list under an answer, and what could not be done for it; empty without."""
    lines = [
        f"{source.row.number}. {source.title} ({source.row.base_name})"
        for source in citing.sources_of(message, None)
    ]
    remarks = [f"*{remark}*" for remark in citing.remarks_of(message)]
    listed = [f"{_('Sources')}:", "\n".join(lines)] if lines else []
    return "\n\n".join([*listed, *remarks])


def as_json(session: ChatSession, *, has_thoughts: bool = True) -> str:
    """Every message, versions that are not shown included; `shown` is the path."""
    shown = [str(node.pk) for node in Tree.of(session).nodes_to(session.tip_id)]
    messages = session.messages.order_by("position", "created_at", "pk")
    messages = messages.prefetch_related("attachments", "sources__base")
    content: dict[str, Any] = {
        "session": SessionOut.from_orm(session).model_dump(mode="json"),
        "shown": shown,
        "messages": [
            MessageOut.from_orm(each).model_dump(
                mode="json", exclude=None if has_thoughts else {"thinking_content"}
            )
            for each in messages
        ],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def exported(session: ChatSession, kind: str, *, has_thoughts: bool) -> str:
    """`kind` is one of FORMATS."""
    write = as_json if kind == "json" else as_markdown
    return write(session, has_thoughts=has_thoughts)


def file_name(session: Model, extension: str) -> str:
    stem = re.sub(r"[^\w-]+", "-", str(session)).strip("-")[:60]
    return f"{stem or 'chat'}.{extension}"


def disposition(session: Model, extension: str) -> str:
    """The header that makes a browser save it under its title."""
    return str(content_disposition_header(True, file_name(session, extension)))


def download(text: str, of: Model, kind: str) -> HttpResponse:
    """`kind` is one of FORMATS."""
    return HttpResponse(
        text,
        content_type=f"{FORMATS[kind]}; charset=utf-8",
        headers={
            "Content-Disposition": disposition(of, kind),
            "X-Content-Type-Options": "nosniff",
        },
    )
