"""One running answer: what has arrived, and what of it has been told and written."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import User
from chat import material, steps
from chat.material import Noted, Search
from knowledge.types import Passage
from providers.services import Measurement
from providers.types import (
    AgentStep,
    ChatMessage,
    ChatRequest,
    Citation,
    Event,
    LinkedFile,
    ProviderState,
    Target,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
)

BEAT_EVERY_S = 5.0


@dataclass
class Generation:
    """`content` and `thoughts` may start with what an earlier run of the same answer wrote.

    `is_early`: it answers one of the chat's first two questions. `search`: what is looked for in
    the chat's knowledge bases first; `passages`, what it rests on then. `is_sourced`: they are
    written.
    """

    message_id: uuid.UUID
    session_id: uuid.UUID
    run: uuid.UUID
    user: User
    target: Target
    messages: Sequence[ChatMessage]
    parameters: dict[str, Any]
    content: str = ""
    thoughts: str = ""
    thinking_ms: int | None = None
    is_early: bool = False
    search: Search | None = None
    passages: Sequence[Passage] = ()
    remarks: Sequence[Noted] = ()
    is_sourced: bool = False
    cited: set[int] = field(default_factory=set)
    claims: list[list[float]] = field(default_factory=list)
    state: ProviderState | None = None
    citations: list[Citation] = field(default_factory=list)
    files: list[LinkedFile] = field(default_factory=list)
    measured: Measurement = field(init=False)
    ending: str = ""
    error_code: str = ""
    has_started: bool = False
    is_saved: bool = False
    is_unwritten: bool = False
    _beaten_at: float = 0.0
    _told: tuple[int, int] = (0, 0)
    _thinking_started: float | None = None
    _steps: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._told = (len(self.thoughts), len(self.content))
        self.measured = Measurement.of(self.messages)

    def is_beat_due(self) -> bool:
        """True once every few seconds."""
        is_due = time.monotonic() - self._beaten_at >= BEAT_EVERY_S
        if is_due:
            self._beaten_at = time.monotonic()
        return is_due

    def rest_on(self, passages: Sequence[Passage], remarks: Sequence[Noted]) -> None:
        self.passages, self.remarks = passages, remarks
        self._ask(material.added(self.messages, passages))

    def go_without(self, rules: str, remarks: Sequence[Noted]) -> None:
        self.remarks = remarks
        self._ask(material.told(self.messages, rules))

    def _ask(self, messages: Sequence[ChatMessage]) -> None:
        """These instead; the model's own time begins now."""
        self.messages, self.measured = messages, Measurement.of(messages)

    def request(self) -> ChatRequest:
        return self.target.streamed(self.messages, self.parameters)

    def take(self, event: Event) -> bool:
        """Whether this was the first text of the answer."""
        is_first = self.measured.first is None
        self.measured.note(event)
        if isinstance(event, ThinkingDelta):
            self._start_thinking()
            self.thoughts += event.text.replace("\x00", "")
        elif isinstance(event, TextDelta):
            self.end_thinking()
            self.content += event.text.replace("\x00", "")
        elif isinstance(event, TextReplaced):
            # Watchers see it when the answer ends and is shown anew.
            self.content = event.text.replace("\x00", "")
            self._told = (self._told[0], len(self.content))
        elif isinstance(event, AgentStep):
            self._take_step(event)
        else:
            self._keep(event)
            return False
        self.is_unwritten = True
        return is_first

    def _keep(self, event: Event) -> None:
        """For the end of the answer."""
        if isinstance(event, ProviderState):
            self.state = event
        elif isinstance(event, Citation):
            self.citations.append(event)
        elif isinstance(event, LinkedFile):
            self.files.append(event)

    def _take_step(self, step: AgentStep) -> None:
        """Mostly it grows at the end; where it does not, watchers see it when the answer ends."""
        self._start_thinking()
        now, before = steps.told(step, self.content), self._steps.get(step.id, "")
        self._steps[step.id] = now
        thoughts = steps.placed(self.thoughts, before, now)
        if not thoughts.startswith(self.thoughts):
            self._told = (len(thoughts), self._told[1])
        self.thoughts = thoughts

    def link_files(self) -> None:
        """Below what was said, once."""
        if links := steps.links(self.files):
            self.content = "\n\n".join(part for part in (self.content.rstrip(), links) if part)
            self.is_unwritten = True
        self.files = []

    def _start_thinking(self) -> None:
        if self._thinking_started is None:
            self._thinking_started = time.monotonic()

    def end_thinking(self) -> None:
        if self._thinking_started is not None and self.thinking_ms is None:
            self.thinking_ms = round((time.monotonic() - self._thinking_started) * 1000)

    def untold(self) -> dict[str, Any] | None:
        """The text since the last call, as `events.text_nudge` takes it; None if there is none."""
        thinking_at, content_at = self._told
        self._told = (len(self.thoughts), len(self.content))
        if self._told == (thinking_at, content_at):
            return None
        return {
            "thinking_at": thinking_at,
            "thinking": self.thoughts[thinking_at:],
            "content_at": content_at,
            "content": self.content[content_at:],
        }
