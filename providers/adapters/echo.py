"""A provider that needs no network and no key: it repeats what it was told.

For trying the platform out, for tests, and as the shortest example of a complete dialect. A message
that starts with `/think` is answered with a thought first; `/long <n>` with n sentences;
`/error` with an error.
"""

import re
from collections.abc import Iterator, Mapping

from providers.errors import Overloaded
from providers.types import (
    ChatMessage,
    ChatRequest,
    Event,
    Finish,
    HttpRequest,
    ListedModel,
    Target,
    TextDelta,
    ThinkingDelta,
    Usage,
)

MODEL_ID = "echo"
PIECE = re.compile(r"\s*\S{1,6}")


def _last_question(request: ChatRequest) -> str:
    for message in reversed(request.messages):
        role = message.role if isinstance(message, ChatMessage) else message.get("role")
        if role == "user":
            raw = message.content if isinstance(message, ChatMessage) else message.get("content")
            if isinstance(raw, list):
                return " ".join(str(p.get("text", "")) for p in raw if isinstance(p, Mapping))
            return str(raw or "")
    return ""


def _words(request: ChatRequest) -> int:
    """A plain count of word-like pieces: the unit this provider bills in."""
    texts = [
        m.content if isinstance(m, ChatMessage) else str(m.get("content")) for m in request.messages
    ]
    return sum(len(PIECE.findall(text)) for text in texts)


class EchoAdapter:
    needs_network = False

    def answer(self, request: ChatRequest) -> Iterator[Event]:
        """The events of a whole answer, in small steps."""
        question = _last_question(request).strip()
        if question.startswith("/error"):
            raise Overloaded("asked for")
        if question.startswith("/think"):
            question = question.removeprefix("/think").strip()
            for piece in PIECE.findall(f"The message has {len(question)} characters. I repeat it."):
                yield ThinkingDelta(piece)
        text = question
        found = re.match(r"/long (\d{1,4})", question)
        if found:
            text = "\n\n".join(f"Sentence {n} of {found[1]}." for n in range(1, int(found[1]) + 1))
        limit = request.parameters.get("max_tokens")
        pieces = PIECE.findall(text)
        shown = pieces[: int(limit)] if limit else pieces
        for piece in shown:
            yield TextDelta(piece)
        yield Usage(prompt_tokens=_words(request), completion_tokens=len(shown))
        yield Finish("length" if len(shown) < len(pieces) else "stop")

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        raise NotImplementedError("the echo dialect sends nothing")

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "EchoReader":
        return EchoReader()

    def models(self, target: Target) -> HttpRequest:
        raise NotImplementedError("the echo dialect sends nothing")

    def read_models(self, body: bytes = b"") -> list[ListedModel]:
        return [ListedModel(MODEL_ID, ("chat",), 32_768, "metadata")]


class EchoReader:
    is_ended = False

    def feed(self, data: bytes) -> Iterator[Event]:
        return iter(())

    def finish(self) -> Iterator[Event]:
        return iter(())
