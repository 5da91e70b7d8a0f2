"""What one watcher has been told of a session, and what is new for it.

The cursor is the session's revision, plus for each running answer how much of its text was told.
Nudges extend it while they fit; one that is ahead waits until the text before it was read.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.models import ChatSession, Message
from chat.threads import Tree, Turn

AHEAD_MAX = 200


@dataclass(frozen=True)
class TextNews:
    """Text that was appended to a running answer."""

    id: str
    thinking: str = ""
    content: str = ""

    def __add__(self, later: "TextNews") -> "TextNews":
        return TextNews(self.id, self.thinking + later.thinking, self.content + later.content)


@dataclass(frozen=True)
class Changes:
    """Turns of the shown path that are new or different, and the ids of the whole path."""

    revision: int
    title: str
    order: tuple[str, ...]
    turns: tuple[Turn, ...]


@dataclass(frozen=True)
class News:
    changes: Changes | None = None
    texts: tuple[TextNews, ...] = ()


class SessionGone(Exception):
    """The session was deleted."""


@dataclass
class Follower:
    """`revision`: what the watcher knows already; -1 for nothing. `read` is synchronous."""

    session_id: uuid.UUID
    revision: int = -1
    _told: dict[str, tuple[int, int]] = field(default_factory=dict)
    _ahead: list[Mapping[str, Any]] = field(default_factory=list)
    _is_started: bool = False

    @property
    def is_text_running(self) -> bool:
        return bool(self._told)

    @property
    def is_behind(self) -> bool:
        """Nudges wait for the text before theirs: read soon, though the database may lag."""
        return bool(self._ahead)

    def read(self) -> News:
        """Everything newer than the cursor; changes the first time always. Raises SessionGone."""
        session = ChatSession.objects.kept().filter(pk=self.session_id).first()
        if session is None:
            raise SessionGone
        if session.revision == self.revision and self._is_started:
            return News(texts=(*self._running_texts(), *self._catch_up()))
        tree = Tree.of(session)
        path = tree.nodes_to(session.tip_id)
        # A running answer is repeated with a change: its text may have moved on unseen.
        new = [node for node in path if node.revision > self.revision or node.is_streaming]
        turns = tuple(tree.turns(new))
        self.revision, self._is_started = session.revision, True
        self._told = {
            str(turn.message.pk): (len(turn.message.thinking_content), len(turn.message.content))
            for turn in turns
            if turn.message.is_streaming
        }
        order = tuple(str(node.pk) for node in path)
        changes = Changes(session.revision, session.title, order, turns)
        return News(changes=changes, texts=self._catch_up())

    def _running_texts(self) -> tuple[TextNews, ...]:
        if not self._told:
            return ()
        rows = Message.objects.filter(pk__in=list(self._told)).streaming()
        found = []
        for message_id, thoughts, content in rows.values_list("pk", "thinking_content", "content"):
            news = self._extend(str(message_id), 0, thoughts, 0, content)
            if news is not None:
                found.append(news)
        return tuple(found)

    def take(self, nudge: Mapping[str, Any]) -> TextNews | None:
        """What is new in a text nudge; None if nothing is, or if it has to wait (`is_behind`)."""
        if not self._ahead and self._fits(nudge):
            return self._extend_by(nudge)
        self._ahead = [*self._ahead[-AHEAD_MAX:], nudge]
        return None

    def _catch_up(self) -> tuple[TextNews, ...]:
        """Tell the waiting nudges that the text before them has been read for."""
        waiting, self._ahead = self._ahead, []
        # Those of answers that are no longer running have nothing to wait for.
        waiting = [nudge for nudge in waiting if nudge["id"] in self._told]
        found = []
        while waiting and self._fits(waiting[0]):
            found.append(self._extend_by(waiting.pop(0)))
        self._ahead = waiting
        return tuple(news for news in found if news is not None)

    def _fits(self, nudge: Mapping[str, Any]) -> bool:
        thinking, content = self._told.get(nudge["id"], (-1, -1))
        return bool(nudge["thinking_at"] <= thinking and nudge["content_at"] <= content)

    def _extend_by(self, nudge: Mapping[str, Any]) -> TextNews | None:
        return self._extend(
            nudge["id"],
            nudge["thinking_at"],
            nudge["thinking"],
            nudge["content_at"],
            nudge["content"],
        )

    def _extend(
        self, message_id: str, thinking_at: int, thinking: str, content_at: int, content: str
    ) -> TextNews | None:
        told_thinking, told_content = self._told[message_id]
        new_thinking = thinking[told_thinking - thinking_at :]
        new_content = content[told_content - content_at :]
        if not new_thinking and not new_content:
            return None
        told = (told_thinking + len(new_thinking), told_content + len(new_content))
        self._told[message_id] = told
        return TextNews(message_id, new_thinking, new_content)
