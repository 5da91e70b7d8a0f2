"""Reads the body of `POST /v1/messages`, and says the same in OpenAI's shape."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import orjson

from providers.gateway.chat_request import (
    ChatBody,
    check_media_url,
    check_numbers,
    longest_answer,
    read_flag,
    read_json_body,
    read_model,
)
from providers.gateway.errors import bad_request
from providers.gateway.message_tools import effort_of, response_format, tool_parameters
from providers.gateway.route import Route
from providers.gateway.sealed_state import is_sealed, unseal
from providers.tokens import estimated_tokens
from providers.types import ChatRequest

PASS_THROUGH = frozenset(("anthropic",))
# Dialects whose providers refuse what they do not know.
NO_TOP_K = frozenset(("openai", "azure", "responses"))
SAME = ("temperature", "top_p", "top_k", "max_tokens")
SOURCES = ("base64", "url")
SILENT = frozenset(("thinking", "redacted_thinking"))


@dataclass(frozen=True)
class MessagesBody:
    """`raw` is the body as it was sent; `messages` the conversation in OpenAI's shape, without the
    blocks named in `unknown`."""

    raw: dict[str, Any]
    model: str
    messages: list[dict[str, Any]]
    unknown: tuple[str, ...]
    is_stream: bool

    @cached_property
    def prompt_tokens(self) -> int:
        chat = ChatBody(self.model, self.messages, {}, False, False)
        tools = self.raw.get("tools")
        if not tools:
            return chat.prompt_tokens
        # Here the estimate is all that `count_tokens` has, so tools count too.
        return chat.prompt_tokens + ceil(estimated_tokens(orjson.dumps(tools).decode()))

    def answer_tokens(self, route: Route) -> int | None:
        return longest_answer(self.raw, route)

    def check(self, route: Route) -> None:
        route.check_chat()
        chat = ChatBody(self.model, self.messages, {}, self.is_stream, True)
        chat.check_media(is_managed=route.target.is_managed)
        if self.unknown and route.target.kind not in PASS_THROUGH:
            raise bad_request(
                f"This model does not take content of the type '{self.unknown[0]}'.",
                param="messages",
            )

    def for_route(self, route: Route) -> ChatRequest:
        """Raises GatewayError (400) for tools that only Anthropic runs."""
        raw = self.raw
        parameters = {name: raw[name] for name in SAME if raw.get(name) is not None}
        if route.target.kind in NO_TOP_K:
            parameters.pop("top_k", None)
        if raw.get("stop_sequences"):
            parameters["stop"] = raw["stop_sequences"]
        parameters |= tool_parameters(raw) | response_format(raw)
        effort = effort_of(raw)
        if effort and "reasoning" in route.types:
            parameters["reasoning_effort"] = effort
        chat = ChatBody(self.model, self.messages, parameters, self.is_stream, True)
        return chat.for_route(route)

    def forwarded(self, route: Route) -> dict[str, Any]:
        """For a provider that speaks Anthropic: as it was sent, with the model's own name and
        defaults, and without what other providers had us keep."""
        body = self.raw | {"model": route.model_id}
        for name, value in route.target.defaults.items():
            if name in SAME and body.get(name) is None:
                body[name] = value
        if route.system_prompt and not body.get("system"):
            body["system"] = route.system_prompt
        body["messages"] = [_without_kept(message) for message in body["messages"]]
        return body


def read_messages_body(raw: bytes) -> MessagesBody:
    """Raises GatewayError (400)."""
    body = read_question(raw)
    limit = body.raw.get("max_tokens")
    if limit is None:
        raise bad_request("'max_tokens' is required.", param="max_tokens")
    return body


def read_question(raw: bytes) -> MessagesBody:
    """A body whose tokens are only counted: it needs no `max_tokens`."""
    body = read_json_body(raw)
    model = read_model(body.get("model"))
    given = body.get("messages")
    if not isinstance(given, list) or not given:
        raise bad_request("'messages' must be a list with at least one message.", param="messages")
    is_stream = read_flag(body.get("stream"), "stream")
    check_numbers(body)
    stops = body.get("stop_sequences")
    is_list = isinstance(stops, list) and all(isinstance(stop, str) for stop in stops)
    if stops is not None and not is_list:
        raise bad_request("'stop_sequences' must be a list of texts.", param="stop_sequences")
    messages, unknown = [], list[str]()
    system = _system(body.get("system"))
    if system:
        messages.append({"role": "system", "content": system})
    for position, message in enumerate(given):
        messages += _openai(message, f"messages[{position}]", unknown)
    return MessagesBody(body, model, messages, tuple(unknown), is_stream)


def _system(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    blocks = _blocks(value, "system")
    return "\n\n".join(str(block.get("text") or "") for block in blocks)


def _blocks(value: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list) or not all(isinstance(block, dict) for block in value):
        raise bad_request(f"'{where}' must be text or a list of blocks.", param=where)
    return value


def _openai(message: Any, where: str, unknown: list[str]) -> Iterator[dict[str, Any]]:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in ("user", "assistant", "system"):
        raise bad_request(f"'{where}' must have the role user or assistant.", param=where)
    blocks = _blocks(message.get("content"), f"{where}.content")
    if role == "assistant":
        yield _said(blocks, unknown)
        return
    parts: list[dict[str, Any]] = []
    for block in blocks:
        if block.get("type") != "tool_result":
            parts += _part(block, unknown)
            continue
        content = _blocks(block.get("content") or "", f"{where}.content")
        found = [part for inner in content for part in _part(inner, unknown)]
        text = "".join(part["text"] for part in found if part["type"] == "text")
        yield {"role": "tool", "tool_call_id": str(block.get("tool_use_id")), "content": text}
        # OpenAI's tools answer in text; a picture follows as the user's.
        parts += [part for part in found if part["type"] != "text"]
    if parts:
        is_text = len(parts) == 1 and parts[0]["type"] == "text"
        yield {"role": role, "content": parts[0]["text"] if is_text else parts}


def _said(blocks: Sequence[Mapping[str, Any]], unknown: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"role": "assistant"}
    texts, calls = [], []
    for block in blocks:
        kind = block.get("type")
        if kind == "tool_use":
            arguments = orjson.dumps(block.get("input") or {}).decode()
            function = {"name": str(block.get("name") or ""), "arguments": arguments}
            calls.append({"id": str(block.get("id")), "type": "function", "function": function})
        elif isinstance(kind, str) and kind in SILENT:
            found["provider_state"] = unseal(block.get("data")) or found.get("provider_state")
        else:
            texts += [part["text"] for part in _part(block, unknown) if part["type"] == "text"]
    found["content"] = "".join(texts) or (None if calls else "")
    return found | ({"tool_calls": calls} if calls else {})


def _part(block: Mapping[str, Any], unknown: list[str]) -> Iterator[dict[str, Any]]:
    kind, source = block.get("type"), block.get("source")
    if kind == "text":
        yield {"type": "text", "text": str(block.get("text") or "")}
    elif kind == "image" and isinstance(source, Mapping) and source.get("type") in SOURCES:
        url = source.get("url")
        if source["type"] == "base64":
            url = f"data:{source.get('media_type') or 'image/png'};base64,{source.get('data')}"
        yield {"type": "image_url", "image_url": {"url": url}}
    elif kind == "document" and isinstance(source, Mapping) and source.get("type") == "text":
        yield {"type": "text", "text": str(source.get("data") or "")}
    else:
        unknown.append(str(kind)[:100])
        if isinstance(source, Mapping) and "url" in source:
            check_media_url(source["url"], False, "messages")


def _without_kept(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Anthropic would refuse a sealed block that is not its own."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_ours(block)]
    return message if len(kept) == len(content) else {**message, "content": kept}


def _is_ours(block: Mapping[str, Any]) -> bool:
    """A state that we sealed, or a thought without a signature: another provider's."""
    if block.get("type") == "redacted_thinking":
        return is_sealed(block.get("data"))
    return block.get("type") == "thinking" and not block.get("signature")
