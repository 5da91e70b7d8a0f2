"""Anthropic's own answers on their way through, without IO: bytes in, bytes out.

Every event goes on as it came, signatures and all; counts, the end and errors are read in passing.
"""

from collections.abc import Mapping
from typing import Any

from providers.adapters.anthropic import read_usage
from providers.adapters.reading import FINISH
from providers.errors import InvalidAnswer
from providers.gateway.forwarding import ForwardedEvents, in_one_line, read_answer
from providers.gateway.records import Call

PIECES = ("text", "thinking", "partial_json")


class ForwardedMessages(ForwardedEvents):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._usage: dict[str, Any] = {}

    def _object(self, chunk: dict[str, Any], payload: str) -> bytes | None:
        kind = chunk.get("type")
        if not isinstance(kind, str) or not kind.isidentifier():
            return None
        self._note(kind, chunk)
        return f"event: {kind}\ndata: {in_one_line(payload)}\n\n".encode()

    def _note(self, kind: str, chunk: Mapping[str, Any]) -> None:
        delta = chunk.get("delta")
        if kind == "content_block_delta" and isinstance(delta, Mapping):
            for name in PIECES:
                if isinstance(delta.get(name), str):
                    self._call.note_text(delta[name])
        elif kind == "message_start":
            self._is_begun = True
            started = chunk.get("message")
            self._count(started.get("usage") if isinstance(started, Mapping) else None)
        elif kind == "message_delta":
            self._count(chunk.get("usage"))
            note_end(self._call, delta)
        elif kind == "message_stop":
            self.is_over = True

    def _count(self, raw: Any) -> None:
        if isinstance(raw, dict):
            self._usage |= {name: value for name, value in raw.items() if value is not None}
            self._call.usage = read_usage(self._usage)


def note_end(call: Call, stated: Any) -> None:
    reason = stated.get("stop_reason") if isinstance(stated, Mapping) else None
    if isinstance(reason, str):
        call.finish_reason = FINISH.get(reason, reason)


def forwarded_message(body: bytes, call: Call) -> bytes:
    """A whole answer, passed on. Raises ProviderError."""
    answer = read_answer(body)
    if not isinstance(answer.get("content"), list):
        raise InvalidAnswer("no content")
    call.note_text("")
    for block in answer["content"]:
        if isinstance(block, dict):
            call.note_text(str(block.get("text") or block.get("thinking") or ""))
    if isinstance(answer.get("usage"), dict):
        call.usage = read_usage(answer["usage"])
    note_end(call, answer)
    return body
