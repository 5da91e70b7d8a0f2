"""The wire examples, and what an adapter makes of them in one shape."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from providers.errors import ProviderError
from providers.registry import ADAPTERS
from providers.types import (
    AgentStep,
    ChatRequest,
    Citation,
    Event,
    Finish,
    LinkedFile,
    Outputs,
    Profile,
    ProviderState,
    Target,
    TextDelta,
    TextReplaced,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)

DATA = Path(__file__).parent / "wire_data"
WIRE = json.loads((DATA / "wire_examples.json").read_text())
EXAMPLES: dict[str, dict[str, Any]] = WIRE["examples"]
ASKED: dict[str, dict[str, Any]] = json.loads((DATA / "asked.json").read_text())
ERRORS: list[dict[str, Any]] = json.loads((DATA / "error_examples.json").read_text())
KINDS = {
    **{"openai-chat": "openai", "anthropic-messages": "anthropic"},
    **{"gemini-generateContent": "gemini", "ollama-native": "ollama"},
    **{"cohere-v2": "cohere", "dify": "dify", "openai-responses": "responses"},
}
# The facts' words for errors, and ours.
CODES = {
    **{"auth": "authentication", "forbidden": "forbidden", "quota": "no_money"},
    **{"rate_limit": "rate_limited", "overloaded": "overloaded", "server": "unavailable"},
    **{"timeout": "timeout", "context_length": "context_too_long"},
    **{"content_filter": "content_filter", "not_found": "no_such_model"},
    **{"bad_request": "bad_request", "too_large": "too_large", "conflict": "conflict"},
    **{"incomplete": "incomplete"},
}
CHATS = [
    name
    for name, example in EXAMPLES.items()
    if "stream" in example or {"text", "outputs"} & set(example["expect"])
]
STREAMS = [name for name in CHATS if "stream" in EXAMPLES[name]]
BASE = "https://provider.test/base"
KEY = "k-secret"


def target_of(name: str, **changes: Any) -> Target:
    example = EXAMPLES[name]
    asked = ASKED.get(name, {})
    request = example.get("request", {})
    profile = Profile(
        include_usage="stream_options" in request,
        starts_in_think=bool(example["expect"].get("flags", {}).get("starts_in_think")),
        app_mode=asked.get("app_mode", "chat"),
    )
    model_id = request.get("model") or _model_in(example["path"])
    fields = {"kind": KINDS[example["dialect"]], "model_id": model_id, "profile": profile}
    fields |= {"base_url": BASE, "api_key": KEY, "is_managed": False, "provider_id": 7}
    return Target(**{**fields, **changes})


def _model_in(path: str) -> str:
    return path.removeprefix("/models/").partition(":")[0] if ":" in path else ""


def request_of(name: str) -> ChatRequest:
    """What was asked, in OpenAI's shape. For that dialect it is the request itself."""
    example = EXAMPLES[name]
    is_stream = "stream" in example
    if name in ASKED:
        asked = ASKED[name]
        return ChatRequest("m", asked["messages"], asked.get("parameters", {}), is_stream)
    body = dict(example["request"])
    messages = body.pop("messages")
    parameters = {k: v for k, v in body.items() if k not in ("model", "stream", "stream_options")}
    return ChatRequest("m", messages, parameters, is_stream)


@dataclass
class Read:
    """All that the events of one answer say."""

    text: str = ""
    reasoning: str = ""
    finish: str | None = None
    usage: Usage | None = None
    error: ProviderError | None = None
    state: ProviderState | None = None
    outputs: Any = None
    citations: int = 0
    files: int = 0
    steps: dict[str, AgentStep] = field(default_factory=dict)
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        if isinstance(event, ToolCallDelta):
            call = self.calls.setdefault(event.index, {"id": "", "name": "", "arguments": ""})
            for name in call:
                call[name] += getattr(event, name)
        elif isinstance(event, Finish):
            assert self.finish is None, "one end"
            self.finish = event.reason
        elif isinstance(event, Usage | ProviderState):
            setattr(self, "usage" if isinstance(event, Usage) else "state", event)
        else:
            self._add_text(event)

    def _add_text(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            self.text += event.text
        elif isinstance(event, TextReplaced):
            self.text = event.text
        elif isinstance(event, ThinkingDelta):
            self.reasoning += event.text
        elif isinstance(event, AgentStep):
            self.steps[event.id] = event
        elif isinstance(event, Outputs):
            self.outputs = event.values
        self.citations += isinstance(event, Citation)
        self.files += isinstance(event, LinkedFile)

    def tool_calls(self, wanted: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """In the shape of the facts; what a provider left out, it cannot be asked for."""
        found = []
        for index, shape in zip(sorted(self.calls), wanted, strict=True):
            call = self.calls[index]
            whole: dict[str, Any] = {**call, "arguments": json.loads(call["arguments"])}
            signatures = (self.state.data if self.state else {}).get("calls")
            whole["signature"] = signatures[index] if signatures else ""
            found.append({name: whole[name] for name in shape})
        return found


def read(name: str, pieces: Iterable[bytes], *, is_stream: bool | None = None) -> Read:
    target = target_of(name)
    is_stream = "stream" in EXAMPLES[name] if is_stream is None else is_stream
    reader = ADAPTERS[target.kind].reader(is_stream=is_stream, target=target)
    found = Read()
    try:
        for piece in pieces:
            for event in reader.feed(piece):
                found.add(event)
        for event in reader.finish():
            found.add(event)
    except ProviderError as error:
        found.error = error
    return found


def body_of(name: str) -> bytes:
    example = EXAMPLES[name]
    if "stream" in example:
        return str(example["stream"]).encode()
    return json.dumps(example["response"], ensure_ascii=False).encode()
