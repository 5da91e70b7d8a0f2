"""Cohere's second API: chat with a plan before tools, embeddings, rerank."""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.adapters.answers import count_of, read_object, read_vectors, rows_of
from providers.adapters.base import HttpAdapter
from providers.adapters.messages import (
    Image,
    Turn,
    json_schema,
    kept_parameters,
    openai_call,
    renamed,
    stop_list,
    tool_choice,
    turns,
)
from providers.adapters.openai import read_ranked, rerank_body
from providers.adapters.reading import JsonReader
from providers.detection import detect_types
from providers.types import (
    ChatRequest,
    EmbeddingRequest,
    Embeddings,
    Event,
    HttpRequest,
    ListedModel,
    Ranking,
    RerankRequest,
    Target,
    TextDelta,
    ThinkingDelta,
    Usage,
)

PASSED = {
    **{"max_completion_tokens": "max_tokens", "max_tokens": "max_tokens", "top_p": "p"},
    **{"top_k": "k", "temperature": "temperature", "seed": "seed", "tools": "tools"},
    **{"presence_penalty": "presence_penalty", "frequency_penalty": "frequency_penalty"},
    **{"thinking": "thinking", "logprobs": "logprobs"},
}
CHOICES = {"required": "REQUIRED", "tool": "REQUIRED", "none": "NONE"}
PURPOSES = {"document": "search_document", "query": "search_query"}


class CohereAdapter(HttpAdapter):
    paths = {
        "chat": "/v2/chat",
        "embeddings": "/v2/embed",
        "rerank": "/v2/rerank",
        "models": "/v1/models?page_size=1000",
    }

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        messages = [_message(turn) for turn in turns(target, request)]
        body: dict[str, Any] = {"model": target.model_id, "messages": messages}
        body |= renamed(parameters, PASSED)
        if stop_list(parameters):
            body["stop_sequences"] = stop_list(parameters)
        body |= _tool_choice(parameters)
        is_json, schema = json_schema(parameters)
        if is_json:
            wanted = {"type": "json_object"}
            body["response_format"] = wanted if schema is None else {**wanted, "schema": schema}
        effort = parameters.get("reasoning_effort")
        if isinstance(effort, str) and "thinking" not in body:
            body["thinking"] = {"type": "disabled" if effort in ("none", "off") else "enabled"}
        if request.is_stream:
            body["stream"] = True
        return self.chat_post(target, self.url(target, "chat"), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "CohereReader":
        return CohereReader(is_stream=is_stream, target=target)

    def embed(self, target: Target, request: EmbeddingRequest) -> HttpRequest:
        body: dict[str, Any] = {"model": target.model_id, "texts": list(request.texts)}
        body["input_type"] = PURPOSES.get(request.purpose, "search_document")
        body["embedding_types"] = ["float"]
        if request.dimensions is not None:
            body["output_dimension"] = request.dimensions
        return self.post(target, self.url(target, "embeddings"), body)

    def read_embeddings(self, body: bytes) -> Embeddings:
        answer = read_object(body)
        found = answer.get("embeddings")
        vectors = read_vectors(found.get("float") if isinstance(found, Mapping) else found)
        billed = count_of(answer, "meta", "billed_units", "input_tokens")
        return Embeddings(vectors, Usage(prompt_tokens=billed))

    def rerank(self, target: Target, request: RerankRequest) -> HttpRequest:
        return self.post(target, self.url(target, "rerank"), rerank_body(target, request))

    def read_ranking(self, body: bytes) -> Ranking:
        return Ranking(read_ranked(read_object(body)))

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        rows = rows_of(read_object(body), "models")
        return [_listed(row) for row in rows if isinstance(row.get("name"), str) and row["name"]]


def _message(turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "system" if turn.role == "developer" else turn.role}
    if turn.role == "tool":
        return message | {"tool_call_id": turn.call_id, "content": turn.text}
    if turn.images:
        message["content"] = [_part(part) for part in turn.parts]
    elif turn.text or not turn.calls:
        message["content"] = turn.text
    if turn.calls:
        if turn.said.get("tool_plan"):
            message["tool_plan"] = turn.said["tool_plan"]
        message["tool_calls"] = [openai_call(call) for call in turn.calls]
    return message


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _tool_choice(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """There is no way to name one tool: where one is asked for, only that one is offered."""
    mode, name = tool_choice(parameters)
    if mode not in CHOICES:
        return {}
    found: dict[str, Any] = {"tool_choice": CHOICES[mode]}
    tools = parameters.get("tools") or ()
    only = [tool for tool in tools if name and _name_of(tool) == name]
    return found | ({"tools": only} if only else {})


def _name_of(tool: Any) -> Any:
    function = tool.get("function") if isinstance(tool, Mapping) else None
    return function.get("name") if isinstance(function, Mapping) else None


def _listed(row: Mapping[str, Any]) -> ListedModel:
    endpoints = [e for e in ("chat", "embed", "rerank") if e in (row.get("endpoints") or ())]
    stated = {"chat": "chat", "embed": "embedding", "rerank": "rerank"}
    types, evidence = detect_types(row["name"], {"type": stated[endpoints[0]]} if endpoints else {})
    features = row.get("features")
    has_tools = None
    if isinstance(features, list):
        has_tools = any("tool" in str(feature) for feature in features)
        if types[0] == "chat" and "vision" in features:
            types = ("chat", *sorted({*types[1:], "vision"}))
    context = count_of(row, "context_length")
    return ListedModel(row["name"][:200], types, context, evidence, supports_tools=has_tools)


class CohereReader(JsonReader):
    kind = "cohere"

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        message = answer.get("message")
        if isinstance(message, Mapping):
            self.has_content = True
            contents, calls = message.get("content"), message.get("tool_calls")
            for content in contents if isinstance(contents, list) else ():
                yield from _content(content)
            self._plan(message)
            for index, call in enumerate(calls if isinstance(calls, list) else ()):
                yield from self._call(index, call)
            yield from _usage(answer.get("usage"))
            yield from self._finish(str(answer.get("finish_reason") or "stop"))

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        kind = chunk.get("type")
        raw = chunk.get("delta")
        delta = raw if isinstance(raw, dict) else {}
        inner = delta.get("message")
        message = inner if isinstance(inner, Mapping) else {}
        if kind == "message-start":
            self.has_content = True
        elif kind in ("content-start", "content-delta"):
            yield from _content(message.get("content"))
        elif kind == "tool-plan-delta":
            self._plan(message)
        elif kind in ("tool-call-start", "tool-call-delta"):
            yield from self._call(count_of(chunk, "index") or 0, message.get("tool_calls"))
        elif kind == "message-end":
            yield from _usage(delta.get("usage"))
            self.is_ended = True
            yield from self._finish(str(delta.get("finish_reason") or "stop"))

    def _plan(self, message: Mapping[str, Any]) -> None:
        """It goes back with the calls it led to, and is no part of the answer."""
        plan = message.get("tool_plan")
        if isinstance(plan, str) and plan:
            self.state["tool_plan"] = self.state.get("tool_plan", "") + plan

    def _call(self, index: int, call: Any) -> Iterator[Event]:
        raw = call.get("function") if isinstance(call, dict) else None
        function = raw if isinstance(raw, dict) else {}
        if isinstance(call, dict):
            call_id, name = str(call.get("id") or ""), str(function.get("name") or "")
            yield from self.calls.piece(index, call_id, name, function.get("arguments"))


def _content(content: Any) -> Iterator[Event]:
    if isinstance(content, dict):
        thought, text = content.get("thinking"), content.get("text")
        if isinstance(thought, str) and thought:
            yield ThinkingDelta(thought)
        if isinstance(text, str) and text:
            yield TextDelta(text)


def _usage(raw: Any) -> Iterator[Event]:
    if isinstance(raw, dict):
        yield Usage(
            prompt_tokens=count_of(raw, "tokens", "input_tokens"),
            completion_tokens=count_of(raw, "tokens", "output_tokens"),
            cached_tokens=count_of(raw, "cached_tokens"),
        )
