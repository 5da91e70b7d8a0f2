"""Anthropic's answers made from the events of any dialect."""

from collections.abc import Mapping
from typing import Any

import orjson

from providers.gateway.exchange import PING
from providers.gateway.records import Call
from providers.gateway.sealed_state import seal
from providers.types import (
    Event,
    ProviderState,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    ToolCallDelta,
)

REASONS = {
    **{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"},
    **{"content_filter": "refusal", "pause": "pause_turn"},
}
TEXT: dict[str, Any] = {"type": "text", "text": ""}
THOUGHT: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}


def named_event(body: Mapping[str, Any]) -> bytes:
    return b"event: " + str(body["type"]).encode() + b"\ndata: " + orjson.dumps(body) + b"\n\n"


def reason_of(call: Call) -> str:
    return REASONS.get(call.finish_reason, "end_turn")


def usage_body(call: Call) -> dict[str, Any]:
    """Anthropic counts what came from the cache or went into it apart; `estimated` is ours."""
    usage, is_estimated = call.final_usage()
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    body = {
        "input_tokens": max(0, (usage.prompt_tokens or 0) - read - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": usage.completion_tokens or 0,
    }
    return body | ({"estimated": True} if is_estimated else {})


def message(message_id: str, model: str, content: list[Any], usage: Mapping[str, Any]) -> Any:
    head: dict[str, Any] = {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
    }
    ends: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}
    return head | {"model": model, "content": content} | ends | {"usage": usage}


class MessageStream:
    """`start`, then what each event says, then `finish`.

    One block is open at a time. Once a tool call is open, pieces of anything else wait until the
    end: another dialect may mix them, this one cannot.
    """

    def __init__(self, message_id: str, model: str, call: Call) -> None:
        self._id, self._model, self._call = message_id, model, call
        self._index = -1
        self._open: str | int = ""
        self._later_text = ""
        self._later_calls: dict[int, list[ToolCallDelta]] = {}
        self._state: ProviderState | None = None

    def start(self) -> bytes:
        usage = {"input_tokens": self._call.prompt_estimate() or 0, "output_tokens": 0}
        head = message(self._id, self._model, [], usage)
        return named_event({"type": "message_start", "message": head}) + PING

    def feed(self, found: Event) -> bytes:
        self._call.note(found)
        if isinstance(found, TextDelta):
            if isinstance(self._open, int):
                self._later_text += found.text
                return b""
            return self._piece("text", TEXT, {"type": "text_delta", "text": found.text})
        if isinstance(found, ThinkingDelta) and not isinstance(self._open, int):
            delta = {"type": "thinking_delta", "thinking": found.text}
            return self._piece("thinking", THOUGHT, delta)
        if isinstance(found, ToolCallDelta):
            return self._call_piece(found)
        if isinstance(found, ProviderState):
            self._state = found
        return b""

    def _call_piece(self, found: ToolCallDelta) -> bytes:
        if isinstance(self._open, int) and self._open != found.index:
            self._later_calls.setdefault(found.index, []).append(found)
            return b""
        block = {"type": "tool_use", "id": found.id, "name": found.name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": found.arguments}
        return self._piece(found.index, block, delta if found.arguments else None)

    def _piece(
        self, key: str | int, block: Mapping[str, Any], delta: Mapping[str, Any] | None
    ) -> bytes:
        opened = b"" if key == self._open else self._next(key, block)
        if delta is None:
            return opened
        body = {"type": "content_block_delta", "index": self._index, "delta": delta}
        return opened + named_event(body)

    def _next(self, key: str | int, block: Mapping[str, Any]) -> bytes:
        closed = self._close()
        self._index, self._open = self._index + 1, key
        body = {"type": "content_block_start", "index": self._index, "content_block": block}
        return closed + named_event(body)

    def _close(self) -> bytes:
        if self._open == "":
            return b""
        self._open = ""
        return named_event({"type": "content_block_stop", "index": self._index})

    def finish(self) -> bytes:
        found = b""
        if self._later_text:
            found += self._close()
            delta = {"type": "text_delta", "text": self._later_text}
            found += self._piece("text", TEXT, delta)
        for pieces in self._later_calls.values():
            found += self._close() + b"".join(map(self._call_piece, pieces))
        if self._state is not None:
            found += self._next("state", kept_block(self._state))
        ended: dict[str, Any] = {"stop_reason": reason_of(self._call), "stop_sequence": None}
        end = {"type": "message_delta", "delta": ended, "usage": usage_body(self._call)}
        return found + self._close() + named_event(end) + named_event({"type": "message_stop"})


def kept_block(state: ProviderState) -> dict[str, Any]:
    """Clients send such a block back as it is and show nothing of it."""
    return {"type": "redacted_thinking", "data": seal(state)}


class MessageAnswer:
    """All events, then `body`."""

    def __init__(self, message_id: str, model: str, call: Call) -> None:
        self._id, self._model, self._call = message_id, model, call
        self._text: list[str] = []
        self._thought: list[str] = []
        self._calls: dict[int, list[str]] = {}
        self._state: ProviderState | None = None

    def feed(self, found: Event) -> None:
        self._call.note(found)
        if isinstance(found, TextDelta):
            self._text.append(found.text)
        elif isinstance(found, ThinkingDelta):
            self._thought.append(found.text)
        elif isinstance(found, TextReplaced):
            self._text = [found.text]
        elif isinstance(found, ToolCallDelta):
            call = self._calls.setdefault(found.index, [found.id, "", ""])
            call[1] += found.name
            call[2] += found.arguments
        elif isinstance(found, ProviderState):
            self._state = found

    def body(self) -> bytes:
        content: list[dict[str, Any]] = []
        if self._thought:
            content.append(THOUGHT | {"thinking": "".join(self._thought)})
        if any(self._text):
            content.append({"type": "text", "text": "".join(self._text)})
        for call_id, name, arguments in self._calls.values():
            block = {"type": "tool_use", "id": call_id, "name": name}
            content.append(block | {"input": _object(arguments)})
        if self._state is not None:
            content.append(kept_block(self._state))
        whole = message(self._id, self._model, content, usage_body(self._call))
        return orjson.dumps(whole | {"stop_reason": reason_of(self._call)})


def _object(arguments: str) -> Any:
    """What a model wrote that is no JSON object goes as text."""
    try:
        found = orjson.loads(arguments or "{}")
    except ValueError:
        return {"arguments": arguments}
    return found if isinstance(found, dict) else {"arguments": found}
