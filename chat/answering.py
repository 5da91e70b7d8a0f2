"""Waiting for an answer outside a socket: until it is finished, or event by event.

No database connection is held while waiting, and leaving does not end the generation.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.db import connections

from chat.events import heard
from chat.following import Follower, News, SessionGone
from chat.models import Message
from chat.schemas import Grounded, MessageOut

LOOK_EVERY_S = 1.0
LOOK_EVERY_BEHIND_S = 0.25
PING_EVERY_S = 15.0


def give_back_connections() -> None:
    """Close this thread's connections, but not inside a transaction somebody else opened."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


async def _read(follower: Follower) -> News:
    def work() -> News:
        try:
            return follower.read()
        finally:
            give_back_connections()

    return await sync_to_async(work)()


async def _news(session_id: Any) -> AsyncIterator[News | None]:
    """What changes in a session; None now and then when nothing does. Raises SessionGone."""
    follower = Follower(session_id)
    waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    with heard(session_id, waiting.put_nowait):
        yield await _read(follower)
        read_at = time.monotonic()
        while True:
            nudge = await _next(waiting)
            is_text = nudge is not None and nudge["type"] == "text"
            text = follower.take(nudge) if nudge is not None and is_text else None
            if text is not None:
                yield News(texts=(text,))
                continue
            is_due = time.monotonic() - read_at >= LOOK_EVERY_BEHIND_S
            if not is_text or (follower.is_behind and is_due):
                news = await _read(follower)
                read_at = time.monotonic()
                yield news if news.changes or news.texts else None


async def _next(waiting: asyncio.Queue[dict[str, Any]]) -> dict[str, Any] | None:
    """A nudge, or None after a while without."""
    try:
        return await asyncio.wait_for(waiting.get(), LOOK_EVERY_S)
    except TimeoutError:
        return None


async def server_sent_events(answer: Message) -> AsyncIterator[str]:
    """`sources`, where it has some; `thinking` and `content` deltas, then `done` with the whole
    message, then `[DONE]`."""
    message_id, sent = str(answer.pk), (len(answer.thinking_content), len(answer.content))
    written_at, is_told = time.monotonic(), False
    with suppress(SessionGone):
        async for news in _news(answer.session_id):
            sources = None if is_told else _sources(news, message_id)
            if sources is not None:
                is_told = True
                yield _line(sources)
            deltas, sent, message = _deltas(news, message_id, sent)
            for delta in deltas:
                yield _line(delta)
            if deltas:
                written_at = time.monotonic()
            if message is not None:
                shown = MessageOut.from_orm(message).model_dump(mode="json")
                yield _line({"type": "done", "message": shown})
                break
            if time.monotonic() - written_at > PING_EVERY_S:
                written_at = time.monotonic()
                yield ": still there\n\n"
    yield "data: [DONE]\n\n"


def _sources(news: News | None, message_id: str) -> dict[str, Any] | None:
    """What the answer rests on, or why on nothing; None where that is not known."""
    for turn in news.changes.turns if news and news.changes else ():
        row = turn.message
        if str(row.pk) == message_id and (row.remarks or row.sources.all()):
            shown = Grounded.from_orm(row).model_dump(mode="json", exclude={"unsupported"})
            return {"type": "sources", **shown}
    return None


def _deltas(
    news: News | None, message_id: str, sent: tuple[int, int]
) -> tuple[list[dict[str, str]], tuple[int, int], Message | None]:
    """Deltas for one message, how much of it was sent then, and the message once it is finished."""
    parts: list[tuple[str, str]] = []
    message = None
    for turn in news.changes.turns if news and news.changes else ():
        if str(turn.message.pk) == message_id:
            row = turn.message
            parts.append((row.thinking_content[sent[0] :], row.content[sent[1] :]))
            message = None if row.is_streaming else row
    for text in news.texts if news else ():
        if text.id == message_id:
            parts.append((text.thinking, text.content))
    deltas = []
    for thinking, content in parts:
        sent = (sent[0] + len(thinking), sent[1] + len(content))
        deltas += [{"type": "thinking", "delta": thinking}] if thinking else []
        deltas += [{"type": "content", "delta": content}] if content else []
    return deltas, sent, message


async def finished(answer: Message) -> Message:
    """The message once it is no longer written. Raises SessionGone."""
    async for news in _news(answer.session_id):
        for turn in news.changes.turns if news and news.changes else ():
            if turn.message.pk == answer.pk and not turn.message.is_streaming:
                return turn.message
    raise SessionGone


def _line(event: dict[str, Any]) -> str:
    return f"data: {json.dumps(event, ensure_ascii=False)}\n\n"
