"""Anthropic's own answers on their way through, without IO: bytes in, bytes out.

Every event goes on as it came, signatures and all; counts, the end and errors are read in passing.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from providers.adapters.anthropic import read_usage
from providers.adapters.reading import BAD_EVENTS_IN_A_ROW, FINISH
from providers.errors import InvalidAnswer, ProviderError, Unavailable, error_in
from providers.gateway.records import Call
from providers.sse import EventDecoder

PIECES = ("text", "thinking", "partial_json")


class ForwardedMessages:
    """`feed` gives the bytes to pass on; `finish` the rest, or raises when there was no end.

    `failure` is an error inside the stream, found after what the last `feed` gave.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._decoder = EventDecoder()
        self._usage: dict[str, Any] = {}
        self._bad = 0
        self._is_begun = self._is_ended = False
        self.failure: ProviderError | None = None

    def feed(self, data: bytes) -> bytes:
        return self._events(self._decoder.feed(data))

    def finish(self) -> bytes:
        rest = self._events(self._decoder.flush())
        if self.failure is not None:
            raise self.failure
        if not self._is_begun:
            raise InvalidAnswer("no message")
        if not self._is_ended:
            raise Unavailable("the stream was cut")
        return rest

    def _events(self, payloads: list[str]) -> bytes:
        found = []
        for payload in payloads:
            if self._is_ended:
                break
            try:
                found.append(self._event(payload))
            except ProviderError as error:
                self.failure = error
                break
        return b"".join(found)

    def _event(self, payload: str) -> bytes:
        try:
            chunk = orjson.loads(payload)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            return self._skip(payload)
        error = error_in(chunk, payload)
        if error is not None:
            raise error
        kind = chunk.get("type")
        if not isinstance(kind, str) or not kind.isidentifier():
            return self._skip(payload)
        self._bad = 0
        self._note(kind, chunk)
        # One event, one line: JSON has no bare line breaks, but a provider may indent it.
        line = payload if "\n" not in payload else payload.replace("\n", " ")
        return f"event: {kind}\ndata: {line}\n\n".encode()

    def _skip(self, payload: str) -> bytes:
        self._bad += bool(payload.strip())
        if self._bad >= BAD_EVENTS_IN_A_ROW:
            raise InvalidAnswer("not JSON")
        return b""

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
            self._is_ended = True

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
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise InvalidAnswer("not JSON") from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("not an object")
    found = error_in(answer, body[:20_000].decode("utf-8", "replace"))
    if found is not None:
        raise found
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
