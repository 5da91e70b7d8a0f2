"""What a call took, collected while its answer passes by."""

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Self

from providers.tokens import estimated_prompt_tokens, estimated_tokens
from providers.types import (
    ChatMessage,
    Event,
    Finish,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)

UNCOUNTED_BYTES = 16 * 1024


@dataclass(kw_only=True, slots=True)
class Measurement:
    """`usage`: what the provider said, None until it does. `text_tokens` are estimated."""

    usage: Usage | None = None
    estimated_prompt: int | None = None
    # Finds `estimated_prompt` when somebody asks: providers count most calls themselves.
    _estimate_prompt: Callable[[], int] | None = field(default=None, init=False, repr=False)
    finish_reason: str = ""
    text_tokens: float = 0.0
    # UTF-8 that has arrived, and is counted when somebody asks.
    _uncounted: bytearray = field(default_factory=bytearray, init=False, repr=False)
    started: float = field(default_factory=time.monotonic)
    first: float | None = None
    ended: float | None = None

    @classmethod
    def of(cls, messages: Iterable[ChatMessage]) -> Self:
        """Begins now; knows about what the question will cost."""
        return cls(estimated_prompt=estimated_prompt_tokens(messages))

    def note(self, event: Event) -> None:
        if isinstance(event, TextDelta | ThinkingDelta | TextReplaced):
            self.note_text(event.text)
        elif isinstance(event, ToolCallDelta):
            self.note_text(event.name + event.arguments)
        elif isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Finish):
            self.finish_reason = event.reason

    def note_text(self, text: str = "") -> None:
        """Text, a thought or a tool call has arrived."""
        if self.first is None:
            self.first = time.monotonic()
        self.text_tokens += estimated_tokens(text)

    def note_utf8(self, text: bytes) -> None:
        """As `note_text`, for a word among thousands."""
        if self.first is None:
            self.first = time.monotonic()
        self._uncounted += text
        if len(self._uncounted) > UNCOUNTED_BYTES:
            self._count()

    def _count(self) -> None:
        if self._uncounted:
            self.text_tokens += estimated_tokens(self._uncounted.decode("utf-8", "replace"))
            self._uncounted.clear()

    def estimate_prompt_by(self, estimate: Callable[[], int]) -> None:
        self._estimate_prompt = estimate

    def prompt_estimate(self) -> int | None:
        if self.estimated_prompt is None and self._estimate_prompt is not None:
            self.estimated_prompt = self._estimate_prompt()
        return self.estimated_prompt

    @property
    def is_counted(self) -> bool:
        """The provider has said how many tokens it were."""
        said = self.usage
        return (
            said is not None
            and said.prompt_tokens is not None
            and said.completion_tokens is not None
        )

    def final_usage(self) -> tuple[Usage, bool]:
        """The provider's counts, or an estimate (True) once an answer has begun."""
        said = self.usage or Usage()
        if self.first is None or self.is_counted:
            return said, False
        prompt, completion = said.prompt_tokens, said.completion_tokens
        prompt = self.prompt_estimate() if prompt is None else prompt
        if completion is None:
            self._count()
            completion = math.ceil(self.text_tokens)
        return replace(said, prompt_tokens=prompt, completion_tokens=completion), True

    @property
    def ttft_ms(self) -> int | None:
        return None if self.first is None else round((self.first - self.started) * 1000)

    @property
    def duration_ms(self) -> int:
        """Until now, while it runs."""
        ended = time.monotonic() if self.ended is None else self.ended
        return round((ended - self.started) * 1000)
