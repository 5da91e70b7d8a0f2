"""A turn as templates show it: rendered text, the error in words, the figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from chat import citing
from chat.citing import ShownSource
from chat.context import NO_VISION
from chat.models import Message, MessageStatus
from chat.rendering import render
from chat.threads import Turn
from llmplatform.text import money
from providers.errors import kind_of


def advice_of(code: str) -> str:
    """What a person can do about an error, in their language."""
    if code == NO_VISION:
        return _("This model does not read images. Choose one with vision for questions with them.")
    if kind := kind_of(code):
        return str(kind.advice)
    return _("Something went wrong here. Try again.") if code else ""


def _grouped(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


@dataclass
class ShownTurn:
    """`settled` and `tail` are a running answer's HTML: final blocks, and the one at the end.

    `is_kept`: a page that watched it has its blocks, and keeps them when the answer ends.
    `reader_id`: who looks at it, and may open its sources or not.
    """

    turn: Turn
    reader_id: int | None = None
    settled: str = ""
    tail: str = ""
    is_kept: bool = False

    @property
    def message(self) -> Message:
        return self.turn.message

    @cached_property
    def html(self) -> str:
        if self.message.is_streaming or self.is_kept:
            return self.settled
        return self.drawn(render(self.message.content, len(self.sources), self.claims))

    def drawn(self, html: str) -> str:
        """With links to the sources."""
        return citing.drawn(html, self.sources)

    @cached_property
    def sources(self) -> list[ShownSource]:
        return citing.sources_of(self.message, self.reader_id)

    @property
    def claims(self) -> tuple[tuple[float, ...], ...]:
        return tuple(map(tuple, self.message.claims)) if self.sources else ()

    @property
    def cited(self) -> list[ShownSource]:
        return [source for source in self.sources if source.row.is_cited]

    @property
    def uncited(self) -> list[ShownSource]:
        return [source for source in self.sources if not source.row.is_cited]

    @property
    def remarks(self) -> list[str]:
        return citing.remarks_of(self.message)

    @property
    def advice(self) -> str:
        return advice_of(self.message.error_code)

    @property
    def may_go_on(self) -> bool:
        return self.message.is_unfinished

    @property
    def interruption(self) -> str:
        """Why the answer is not whole; empty where it is, or where the error says so."""
        message = self.message
        if message.status == MessageStatus.INTERRUPTED:
            return _("The answer was interrupted: the server stopped while it was written.")
        if message.status == MessageStatus.STOPPED:
            return _("You stopped this answer.")
        if message.status == MessageStatus.DONE and message.finish_reason == "length":
            return _("The answer reached its length limit.")
        if message.status == MessageStatus.DONE and message.finish_reason == "content_filter":
            return _("The provider's content filter ended the answer.")
        return ""

    @property
    def thinking_s(self) -> str:
        ms = self.message.thinking_ms
        return "" if ms is None else f"{ms / 1000:.1f}"

    @property
    def figures(self) -> dict[str, Any]:
        """For the quiet line under an answer; what is unknown is left out."""
        message = self.message
        speed = message.tokens_per_second
        return {
            "model": message.model_label,
            "version": message.model_version,
            "ttft_s": None if message.ttft_ms is None else f"{message.ttft_ms / 1000:.2f}",
            "speed": None if speed is None else f"{speed:.1f}",
            "tokens": message.completion_tokens,
            "tokens_shown": _grouped(message.completion_tokens),
            "prompt_tokens": _grouped(message.prompt_tokens),
            "is_estimated": message.is_estimated,
            "cost": None if message.cost is None else money(message.cost, message.currency),
        }


def with_versions(turns: Iterable[Turn], reader_id: int | None = None) -> list[ShownTurn]:
    """Reads which versions answered, in no query where none was trained here, sources, feedback."""
    found = [ShownTurn(turn, reader_id) for turn in turns]
    messages = [shown.message for shown in found]
    prefetch_related_objects(messages, "model_version__family")
    answers = [each for each in messages if not each.is_question]
    prefetch_related_objects(answers, "feedback", "sources__base")
    return found


def shown_turns(turns: list[Turn], reader_id: int | None = None) -> list[ShownTurn]:
    """Running answers with their text so far."""
    found = with_versions(turns, reader_id)
    for shown in found:
        if shown.message.is_streaming:
            shown.settled = shown.drawn(render(shown.message.content, len(shown.sources)))
    return found
