"""What a watcher of a session is sent, as text for programs or as HTML for pages.

The formats are documented in docs/events.md.
"""

import time
from typing import Any, Protocol

from django.template.loader import render_to_string
from django.utils.translation import override

from chat.following import Changes, TextNews
from chat.rendering import StreamRenderer
from chat.schemas import MessageOut
from chat.showing import ShownTurn, with_versions

# Pages share about a quarter of a core for text that is being written.
SHARE = 4
MIN_PAUSE_S = 0.08
TAIL_CHARS_PER_S = 80_000


class View(Protocol):
    def state(self, changes: Changes) -> dict[str, Any]:
        """Synchronous: what it reads may be in the database."""

    def text(self, news: TextNews) -> dict[str, Any]: ...

    def pause_s(self, watchers: int) -> float:
        """How long to collect text before more is sent."""


class TextView:
    """Messages as the API shows them, text as deltas."""

    def state(self, changes: Changes) -> dict[str, Any]:
        rows = [MessageOut.from_orm(turn.message) for turn in changes.turns]
        return _state(changes, [row.model_dump(mode="json") for row in rows])

    def text(self, news: TextNews) -> dict[str, Any]:
        return {"type": "delta", "id": news.id, "thinking": news.thinking, "content": news.content}

    def pause_s(self, watchers: int) -> float:
        return 0.0


class PageView:
    """Messages as the page's own markup; of a running answer each finished block once."""

    def __init__(self, language: str, reader_id: int | None = None) -> None:
        self._language, self._reader_id = language, reader_id
        self._running: dict[str, ShownTurn] = {}
        self._renderers: dict[str, StreamRenderer] = {}
        self._cost_s = 0.0
        self._tail_chars = 0

    def state(self, changes: Changes) -> dict[str, Any]:
        watched, self._renderers, self._running = self._renderers, {}, {}
        with override(self._language):
            messages = [
                self._message(shown, watched.get(str(shown.message.pk)))
                for shown in with_versions(changes.turns, self._reader_id)
            ]
        return _state(changes, messages)

    def context(self) -> dict[str, Any]:
        """What the template of a message needs beside the turn."""
        return {}

    def _message(self, shown: ShownTurn, watched: StreamRenderer | None) -> dict[str, Any]:
        """`watched` has rendered what the page shows of it so far."""
        message, rest = shown.message, None
        if message.is_streaming:
            self._running[str(message.pk)] = shown
            renderer = self._renderers[str(message.pk)] = StreamRenderer(len(shown.sources))
            shown.settled, shown.tail = map(shown.drawn, renderer.feed(message.content))
        elif watched is not None and not shown.claims:
            rest = watched.rest(message.content)
            rest = None if rest is None else shown.drawn(rest)
            shown.is_kept = rest is not None
        event = {
            "id": str(message.pk),
            "position": message.position,
            "status": message.status,
            "html": render_to_string("chat/message.html", {"shown": shown, **self.context()}),
        }
        return event if rest is None else event | {"rest": rest}

    def text(self, news: TextNews) -> dict[str, Any]:
        event = {"type": "delta", "id": news.id, "thinking": news.thinking}
        renderer = self._renderers.get(news.id)
        if news.content and renderer is not None:
            started = time.perf_counter()
            drawn = self._running[news.id].drawn
            with override(self._language):
                event["settled"], event["tail"] = map(drawn, renderer.feed(news.content))
            self._cost_s = time.perf_counter() - started
            self._tail_chars = len(event["tail"])
        return event

    def pause_s(self, watchers: int) -> float:
        return max(
            MIN_PAUSE_S, self._cost_s * watchers * SHARE, self._tail_chars / TAIL_CHARS_PER_S
        )


def _state(changes: Changes, messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "state",
        "revision": changes.revision,
        "title": changes.title,
        "order": list(changes.order),
        "messages": messages,
    }
