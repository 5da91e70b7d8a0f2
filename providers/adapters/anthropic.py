"""Anthropic's messages. Thoughts carry signatures, and go back unchanged in a loop of tools."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.adapters.answers import count_of, read_object, rows_of
from providers.adapters.base import HttpAdapter
from providers.adapters.messages import (
    Image,
    Turn,
    arguments_of,
    functions,
    json_schema,
    kept_parameters,
    renamed,
    split_system,
    stop_list,
    tool_choice,
    turns,
)
from providers.adapters.reading import JsonReader
from providers.auth import Header
from providers.detection import detect_types
from providers.types import (
    ChatRequest,
    Event,
    HttpRequest,
    ListedModel,
    Target,
    TextDelta,
    ThinkingDelta,
    Usage,
)

# Third-party endpoints expect this version; the newest refuses temperature and its like.
API_VERSION = "2023-06-01"
DEFAULT_MAX_TOKENS = 4096
PASSED = ("temperature", "top_p", "top_k", "thinking", "output_config", "metadata", "service_tier")
THINKING_TOKENS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
CHOICES = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
THOUGHTS = ("thinking", "redacted_thinking")


class AnthropicAdapter(HttpAdapter):
    auth = Header("x-api-key")
    headers = {"anthropic-version": API_VERSION}
    paths = {"chat": "/v1/messages", "models": "/v1/models?limit=1000"}

    def url(self, target: Target, name: str) -> str:
        """A base address with /v1 is as good as one without."""
        return super().url(target, name).replace("/v1/v1/", "/v1/", 1)

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        system, others = split_system(turns(target, request))
        limits = ("max_completion_tokens", "max_tokens")
        body: dict[str, Any] = {"model": target.model_id, "max_tokens": DEFAULT_MAX_TOKENS}
        body |= renamed(parameters, dict.fromkeys(limits, "max_tokens"))
        if system:
            body["system"] = system
        body["messages"] = _messages(others)
        body |= renamed(parameters, {name: name for name in PASSED})
        if stop_list(parameters):
            body["stop_sequences"] = stop_list(parameters)
        body |= _tools(parameters)
        _, schema = json_schema(parameters)
        if schema is not None:
            wanted = {"format": {"type": "json_schema", "schema": schema}}
            body["output_config"] = {**body.get("output_config", {}), **wanted}
        _ask_for_thoughts(body, parameters.get("reasoning_effort"), target.profile.thinking)
        if request.is_stream:
            body["stream"] = True
        return self.chat_post(target, self.url(target, "chat"), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "AnthropicReader":
        return AnthropicReader(is_stream=is_stream, target=target)

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        rows = rows_of(read_object(body), "data")
        return [_listed(row) for row in rows if isinstance(row.get("id"), str) and row["id"]]


def _messages(found: Sequence[Turn]) -> list[dict[str, Any]]:
    """Roles alternate: what belongs to one side in a row becomes one message."""
    messages: list[dict[str, Any]] = []
    for turn in found:
        role = "assistant" if turn.role == "assistant" else "user"
        blocks = list(_blocks(turn))
        if not blocks:
            continue
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    for message in messages:
        first = message["content"][0]
        if len(message["content"]) == 1 and first["type"] == "text":
            message["content"] = first["text"]
    return messages


def _blocks(turn: Turn) -> Iterator[dict[str, Any]]:
    if turn.role == "tool":
        content = turn.text if not turn.images else list(_content(turn))
        block = {"type": "tool_result", "tool_use_id": turn.call_id, "content": content}
        yield block | {"is_error": False}
        return
    yield from turn.said.get("thinking") or ()
    yield from _content(turn)
    for call in turn.calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}


def _content(turn: Turn) -> Iterator[dict[str, Any]]:
    for part in turn.parts:
        yield _image(part) if isinstance(part, Image) else {"type": "text", "text": part}


def _image(image: Image) -> dict[str, Any]:
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": {"type": "url", "url": image.url} if image.url else source}


def _tools(parameters: Mapping[str, Any]) -> dict[str, Any]:
    tools = []
    for function in functions(parameters):
        tool = renamed(function, {"name": "name", "description": "description"})
        empty = {"type": "object", "properties": {}}
        tools.append(tool | {"input_schema": function.get("parameters") or empty})
    if not tools:
        return {}
    mode, name = tool_choice(parameters)
    is_single = parameters.get("parallel_tool_calls") is False
    if mode not in CHOICES and not is_single:
        return {"tools": tools}
    choice: dict[str, Any] = {"type": CHOICES.get(mode, "auto")} | ({"name": name} if name else {})
    if is_single and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}


def _ask_for_thoughts(body: dict[str, Any], effort: Any, form: str) -> None:
    """`form` "adaptive": models that decide themselves how long they think; else a budget."""
    if not isinstance(effort, str) or "thinking" in body:
        return
    if effort in ("none", "off"):
        body["thinking"] = {"type": "disabled"}
    elif form == "adaptive":
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        if effort != "auto":
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    else:
        budget = THINKING_TOKENS.get(effort, THINKING_TOKENS["medium"])
        body["thinking"] = {"type": "enabled", "budget_tokens": budget}
        # The limit covers the thought too, and a thought allows no other temperature.
        body["max_tokens"] = max(body["max_tokens"], budget + 1024)
        body.pop("temperature", None)


def _listed(row: Mapping[str, Any]) -> ListedModel:
    capabilities = row.get("capabilities")
    types, evidence = detect_types(row["id"], {"type": "chat"})
    if isinstance(capabilities, Mapping):
        stated = {"vision": "image_input", "reasoning": "thinking"}
        has = {name: _is_supported(capabilities, field) for name, field in stated.items()}
        types = ("chat", *sorted(name for name in has if has[name] or name in types))
    return ListedModel(
        row["id"][:200],
        types,
        count_of(row, "max_input_tokens"),
        evidence,
        name=str(row.get("display_name") or ""),
        output_tokens=count_of(row, "max_tokens"),
        supports_tools=True,
    )


def _is_supported(capabilities: Mapping[str, Any], name: str) -> bool:
    found = capabilities.get(name)
    return isinstance(found, Mapping) and found.get("supported") is True


def read_usage(raw: dict[str, Any]) -> Usage:
    read = count_of(raw, "cache_read_input_tokens")
    written = count_of(raw, "cache_creation_input_tokens")
    fresh = count_of(raw, "input_tokens")
    return Usage(
        prompt_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        completion_tokens=count_of(raw, "output_tokens"),
        reasoning_tokens=count_of(raw, "output_tokens_details", "thinking_tokens"),
        cached_tokens=read,
        cache_write_tokens=written,
    )


class AnthropicReader(JsonReader):
    kind = "anthropic"

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        super().__init__(is_stream=is_stream, target=target)
        self._usage: dict[str, Any] = {}
        self._thoughts: dict[int, dict[str, Any]] = {}
        self._call_indexes: dict[int, int] = {}

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        if isinstance(answer.get("content"), list):
            self.has_content = True
            for index, block in enumerate(rows_of(answer, "content")):
                yield from self._block(index, block)
            yield from self._count(answer.get("usage"))
            yield from self._finish(str(answer.get("stop_reason") or "stop"))

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        kind, index = chunk.get("type"), count_of(chunk, "index") or 0
        if kind == "message_start":
            self.has_content = True
            message = chunk.get("message")
            yield from self._count(message.get("usage") if isinstance(message, Mapping) else None)
        elif kind == "content_block_start" and isinstance(chunk.get("content_block"), Mapping):
            yield from self._block(index, chunk["content_block"])
        elif kind == "content_block_delta" and isinstance(chunk.get("delta"), dict):
            yield from self._delta(index, chunk["delta"])
        elif kind == "message_delta":
            yield from self._count(chunk.get("usage"))
            delta = chunk.get("delta")
            if isinstance(delta, Mapping) and delta.get("stop_reason"):
                yield from self._finish(str(delta["stop_reason"]))
        elif kind == "message_stop":
            self.is_ended = True

    def _block(self, index: int, block: Mapping[str, Any]) -> Iterator[Event]:
        """A whole block, or the first piece of one."""
        kind = block.get("type")
        if kind in THOUGHTS:
            self._thoughts[index] = dict(block)
            if block.get("thinking"):
                yield ThinkingDelta(str(block["thinking"]))
        elif kind == "text" and block.get("text"):
            yield TextDelta(str(block["text"]))
        elif kind == "tool_use":
            position = self._call_indexes.setdefault(index, len(self._call_indexes))
            call_id, name = str(block.get("id") or ""), str(block.get("name") or "")
            yield from self.calls.piece(position, call_id, name, block.get("input") or "")

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        if isinstance(delta.get("text"), str) and delta["text"]:
            yield TextDelta(delta["text"])
        for name in ("thinking", "signature"):
            piece = delta.get(name)
            if isinstance(piece, str) and piece:
                block = self._thoughts.setdefault(index, {"type": "thinking"})
                block[name] = block.get(name, "") + piece
                if name == "thinking":
                    yield ThinkingDelta(piece)
        if isinstance(delta.get("partial_json"), str) and index in self._call_indexes:
            position = self._call_indexes[index]
            yield from self.calls.piece(position, "", "", delta["partial_json"])

    def _rest(self) -> Iterator[Event]:
        if self._thoughts:
            self.state = {"thinking": [self._thoughts[index] for index in sorted(self._thoughts)]}
        return iter(())

    def _count(self, raw: Any) -> Iterator[Event]:
        """The first event counts what went in, later ones what came out so far."""
        if not isinstance(raw, dict):
            return
        self._usage |= {name: value for name, value in raw.items() if value is not None}
        yield read_usage(self._usage)
