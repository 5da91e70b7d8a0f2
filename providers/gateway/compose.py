"""OpenAI's answers made from the events of any dialect."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from providers.gateway.records import Call
from providers.gateway.sealed_state import seal
from providers.types import (
    Event,
    ProviderState,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)

DONE = b"data: [DONE]\n\n"
REASONS = frozenset(("stop", "length", "tool_calls", "content_filter"))


def event(body: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


@dataclass(frozen=True)
class Identity:
    """What every chunk of one answer has in common."""

    id: str
    model: str
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def usage_body(usage: Usage, *, is_estimated: bool) -> dict[str, Any]:
    """OpenAI's usage object; `estimated` is ours and says that nobody counted."""
    prompt, completion = usage.prompt_tokens or 0, usage.completion_tokens or 0
    body: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    if usage.cached_tokens is not None:
        body["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        body["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return body | ({"estimated": True} if is_estimated else {})


def call_piece(found: ToolCallDelta) -> dict[str, Any]:
    """A piece of a tool call as a delta has it: what names the call is only in its first one."""
    function = {"name": found.name} if found.name else {}
    piece = {"index": found.index, "function": function | {"arguments": found.arguments}}
    return {**piece, "id": found.id, "type": "function"} if found.id else piece


def reason_of(call: Call) -> str:
    """One of OpenAI's reasons: clients know no others."""
    return call.finish_reason if call.finish_reason in REASONS else "stop"


class ComposedStream:
    """`start`, then a chunk for each event, then `finish`. `provider_state` is ours: a client that
    sends it back with the message keeps a provider's signatures in a loop of tools. Nothing that
    was sent can be taken back, so text that a provider replaces stays as it is."""

    def __init__(self, identity: Identity, call: Call, *, wants_usage: bool) -> None:
        self._base = identity.body("chat.completion.chunk")
        self._call = call
        self._wants_usage = wants_usage

    def start(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def feed(self, found: Event) -> bytes:
        self._call.note(found)
        if isinstance(found, TextDelta):
            return self._chunk({"content": found.text})
        if isinstance(found, ThinkingDelta):
            return self._chunk({"reasoning_content": found.text})
        if isinstance(found, ToolCallDelta):
            return self._chunk({"tool_calls": [call_piece(found)]})
        if isinstance(found, ProviderState):
            return self._chunk({"provider_state": seal(found)})
        return b""

    def finish(self) -> bytes:
        end = self._chunk({}, reason_of(self._call))
        if self._wants_usage:
            usage, is_estimated = self._call.final_usage()
            shown = usage_body(usage, is_estimated=is_estimated)
            end += event(self._base | {"choices": [], "usage": shown})
        return end + DONE

    def _chunk(self, delta: Mapping[str, Any], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event(self._base | {"choices": [choice]})


class ComposedAnswer:
    """All events, then `body`."""

    def __init__(self, identity: Identity, call: Call) -> None:
        self._base = identity.body("chat.completion")
        self._call = call
        self._text: list[str] = []
        self._thought: list[str] = []
        self._calls: dict[int, dict[str, Any]] = {}
        self._state = ""

    def feed(self, found: Event) -> None:
        self._call.note(found)
        if isinstance(found, TextDelta):
            self._text.append(found.text)
        elif isinstance(found, ThinkingDelta):
            self._thought.append(found.text)
        elif isinstance(found, TextReplaced):
            self._text = [found.text]
        elif isinstance(found, ToolCallDelta):
            self._add_call(found)
        elif isinstance(found, ProviderState):
            self._state = seal(found)

    def _add_call(self, found: ToolCallDelta) -> None:
        new = {"id": found.id, "type": "function", "function": {"name": "", "arguments": ""}}
        function = self._calls.setdefault(found.index, new)["function"]
        function["name"] += found.name
        function["arguments"] += found.arguments

    def body(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._text)}
        if self._thought:
            message["reasoning_content"] = "".join(self._thought)
        if self._calls:
            message["tool_calls"] = list(self._calls.values())
            message["content"] = message["content"] or None
        if self._state:
            message["provider_state"] = self._state
        reason = reason_of(self._call)
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
        usage, is_estimated = self._call.final_usage()
        shown = usage_body(usage, is_estimated=is_estimated)
        return orjson.dumps(self._base | {"choices": [choice], "usage": shown})
