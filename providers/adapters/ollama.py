"""Ollama's own API: one JSON object a line, pictures apart from the text, options in a box."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.adapters.answers import count_of, read_object, read_vectors, rows_of
from providers.adapters.base import HttpAdapter
from providers.adapters.messages import (
    Turn,
    arguments_of,
    json_schema,
    kept_parameters,
    renamed,
    stop_list,
    turns,
)
from providers.adapters.reading import Decoder, JsonReader
from providers.detection import detect_types
from providers.errors import BadRequest
from providers.sse import LineDecoder
from providers.thinking import ThinkSplitter
from providers.types import (
    ChatRequest,
    EmbeddingRequest,
    Embeddings,
    Event,
    HttpRequest,
    ListedModel,
    Target,
    ThinkingDelta,
    Usage,
)

OPTIONS = {
    **{"max_completion_tokens": "num_predict", "max_tokens": "num_predict"},
    **{
        name: name
        for name in (
            *("num_ctx", "temperature", "top_p", "top_k", "min_p", "seed", "repeat_penalty"),
            *("presence_penalty", "frequency_penalty"),
        )
    },
}
LEVELS = ("low", "medium", "high", "max")


class OllamaAdapter(HttpAdapter):
    paths = {
        "chat": "/api/chat",
        "embeddings": "/api/embed",
        "models": "/api/tags",
        "details": "/api/show",
    }

    def url(self, target: Target, name: str) -> str:
        """The address of the OpenAI-compatible API beside it is taken too."""
        return super().url(target, name).replace("/v1/api/", "/api/", 1)

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        body: dict[str, Any] = {"model": target.model_id}
        body["messages"] = _messages(turns(target, request))
        # Without it, the server streams.
        body["stream"] = request.is_stream
        body |= renamed(parameters, {"tools": "tools", "keep_alive": "keep_alive"})
        options = renamed(parameters, OPTIONS)
        if stop_list(parameters):
            options["stop"] = stop_list(parameters)
        if options:
            body["options"] = options
        is_json, schema = json_schema(parameters)
        if is_json:
            body["format"] = schema if schema is not None else "json"
        if "think" in parameters:
            body["think"] = parameters["think"]
        elif isinstance(parameters.get("reasoning_effort"), str):
            effort = parameters["reasoning_effort"]
            is_level = effort in LEVELS and "gpt-oss" in target.model_id
            body["think"] = effort if is_level else effort not in ("none", "off")
        return self.chat_post(target, self.url(target, "chat"), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "OllamaReader":
        return OllamaReader(is_stream=is_stream, target=target)

    def embed(self, target: Target, request: EmbeddingRequest) -> HttpRequest:
        body: dict[str, Any] = {"model": target.model_id, "input": list(request.texts)}
        body["truncate"] = True
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        return self.post(target, self.url(target, "embeddings"), body)

    def read_embeddings(self, body: bytes) -> Embeddings:
        answer = read_object(body)
        vectors = read_vectors(answer.get("embeddings"))
        return Embeddings(vectors, Usage(prompt_tokens=count_of(answer, "prompt_eval_count")))

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        rows = rows_of(read_object(body), "models")
        return [_listed(row["name"], row) for row in rows if isinstance(row.get("name"), str)]

    def details(self, target: Target, model_id: str) -> HttpRequest:
        """What a model can do, which older servers leave out of the list."""
        return self.post(target, self.url(target, "details"), {"model": model_id})

    def read_details(self, body: bytes, model_id: str) -> ListedModel:
        return _listed(model_id, read_object(body))


def _messages(found: Sequence[Turn]) -> list[dict[str, Any]]:
    return [_message(turn) for turn in found]


def _message(turn: Turn) -> dict[str, Any]:
    if turn.role == "tool":
        return {"role": "tool", "tool_name": turn.tool_name, "content": turn.text}
    role = "system" if turn.role == "developer" else turn.role
    message: dict[str, Any] = {"role": role, "content": turn.text}
    if any(image.url for image in turn.images):
        raise BadRequest("images must come with the message, not as an address")
    if turn.images:
        message["images"] = [image.data for image in turn.images]
    if turn.said.get("thinking"):
        message["thinking"] = turn.said["thinking"]
    if turn.calls:
        message["tool_calls"] = [
            {"function": {"name": call.name, "arguments": arguments_of(call)}}
            for call in turn.calls
        ]
    return message


def _listed(model_id: str, row: Mapping[str, Any]) -> ListedModel:
    stated: Any = row.get("capabilities")
    info = row.get("model_info")
    info = info if isinstance(info, Mapping) else {}
    arch = str(info.get("general.architecture") or "")
    types, evidence = detect_types(model_id)
    is_stated = isinstance(stated, list) and bool(stated)
    if is_stated:
        types, evidence = _stated_types(stated), "metadata"
    return ListedModel(
        model_id[:200],
        types,
        count_of(info, f"{arch}.context_length"),
        evidence,
        supports_tools="tools" in stated if is_stated else None,
        dimension=count_of(info, f"{arch}.embedding_length"),
    )


def _stated_types(stated: Sequence[Any]) -> tuple[str, ...]:
    if "completion" not in stated:
        return ("embedding",)
    abilities = {"thinking": "reasoning", "vision": "vision"}
    return ("chat", *sorted(abilities[name] for name in abilities if name in stated))


class OllamaReader(JsonReader):
    kind = "ollama"

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        super().__init__(is_stream=is_stream, target=target)
        starts_inside = target is not None and target.profile.starts_in_think
        self._splitter = ThinkSplitter(starts_inside=starts_inside)
        self._thought: list[str] = []

    def _make_decoder(self) -> Decoder:
        return LineDecoder()

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        return self._object(answer, "")

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        message = chunk.get("message")
        if isinstance(message, Mapping):
            self.has_content = True
            yield from self._message(message)
        if chunk.get("done") is True:
            self.is_ended = True
            yield Usage(
                prompt_tokens=count_of(chunk, "prompt_eval_count"),
                completion_tokens=count_of(chunk, "eval_count"),
            )
            yield from self._finish(str(chunk.get("done_reason") or "stop"))

    def _message(self, message: Mapping[str, Any]) -> Iterator[Event]:
        thought, text = message.get("thinking"), message.get("content")
        if isinstance(thought, str) and thought:
            self._thought.append(thought)
            yield ThinkingDelta(thought)
        if isinstance(text, str) and text:
            yield from self._splitter.feed(text)
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, Mapping):
                index = self.calls.index_of(None, "", is_named=True)
                name = str(function.get("name") or "")
                yield from self.calls.piece(index, "", name, function.get("arguments"))

    def _rest(self) -> Iterator[Event]:
        yield from self._splitter.flush()
        if self.calls and self._thought:
            self.state = {"thinking": "".join(self._thought)}
