"""Google's generateContent. Signatures stand on parts, and go back on the same parts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from providers.adapters.answers import count_of, read_object, read_vectors, rows_of
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
    EmbeddingRequest,
    Embeddings,
    Event,
    HttpRequest,
    ListedModel,
    Target,
    TextDelta,
    ThinkingDelta,
    Usage,
)

CONFIG = {
    **{"temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed"},
    **{"max_completion_tokens": "maxOutputTokens", "max_tokens": "maxOutputTokens"},
    **{"n": "candidateCount", "presence_penalty": "presencePenalty"},
    **{"frequency_penalty": "frequencyPenalty"},
}
CHOICES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}
# The part of JSON Schema that `parameters` understands; others go as `parametersJsonSchema`.
OPENAPI = {
    *("type", "format", "title", "description", "nullable", "enum", "items", "properties"),
    *("required", "minItems", "maxItems", "minimum", "maximum", "minLength", "maxLength"),
    *("pattern", "anyOf", "default", "example"),
}
# Stands for a signature that is lost, as Google's own pages allow.
UNSIGNED = "skip_thought_signature_validator"
PURPOSES = {"document": "RETRIEVAL_DOCUMENT", "query": "RETRIEVAL_QUERY"}
THINKING_TOKENS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
TYPES = {"generateContent": "chat", "embedContent": "embedding", "predict": "image"}


class GeminiAdapter(HttpAdapter):
    auth = Header("x-goog-api-key")
    paths = {
        "chat": "/models/{model}:generateContent",
        "stream": "/models/{model}:streamGenerateContent?alt=sse",
        "embeddings": "/models/{model}:batchEmbedContents",
        "models": "/models?pageSize=1000",
    }

    def url(self, target: Target, name: str) -> str:
        return super().url(target, name).replace("/models/models/", "/models/", 1)

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        system, others = split_system(turns(target, request))
        body: dict[str, Any] = {"contents": _contents(others)}
        if system:
            body["systemInstruction"] = {"parts": [{"text": system}]}
        declared = [_declaration(function) for function in functions(parameters)]
        if declared:
            body["tools"] = [{"functionDeclarations": declared}]
            body |= _tool_config(parameters)
        config = _config(parameters, target.model_id)
        if config:
            body["generationConfig"] = config
        name = "stream" if request.is_stream else "chat"
        return self.chat_post(target, self.url(target, name), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "GeminiReader":
        return GeminiReader(is_stream=is_stream, target=target)

    def embed(self, target: Target, request: EmbeddingRequest) -> HttpRequest:
        shared: dict[str, Any] = {"model": f"models/{target.model_id.removeprefix('models/')}"}
        options: dict[str, Any] = {}
        if request.purpose in PURPOSES:
            options["taskType"] = PURPOSES[request.purpose]
        if request.dimensions is not None:
            options["outputDimensionality"] = request.dimensions
        rows = [shared | {"content": {"parts": [{"text": t}]}} | options for t in request.texts]
        return self.post(target, self.url(target, "embeddings"), {"requests": rows})

    def read_embeddings(self, body: bytes) -> Embeddings:
        rows = rows_of(read_object(body), "embeddings")
        return Embeddings(read_vectors([row.get("values") for row in rows]))

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        rows = rows_of(read_object(body), "models")
        return [_listed(row) for row in rows if isinstance(row.get("name"), str) and row["name"]]


def _contents(found: Sequence[Turn]) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = []
    for turn in found:
        role = "model" if turn.role == "assistant" else "user"
        parts = list(_parts(turn))
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _parts(turn: Turn) -> Iterator[dict[str, Any]]:
    if turn.role == "tool":
        yield {"functionResponse": {"name": turn.tool_name, "response": _response(turn.text)}}
        return
    for part in turn.parts:
        yield _image(part) if isinstance(part, Image) else {"text": part}
    if turn.said.get("text"):
        yield {"text": "", "thoughtSignature": turn.said["text"]}
    signatures = turn.said.get("calls") or []
    for position, call in enumerate(turn.calls):
        called = {"functionCall": {"name": call.name, "args": arguments_of(call)}}
        signature = signatures[position] if position < len(signatures) else ""
        if position == 0 and turn.state is None:
            signature = UNSIGNED
        yield called | ({"thoughtSignature": signature} if signature else {})


def _response(text: str) -> Any:
    """The answer of a tool as the object that Google wants."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {"result": text}
    return found if isinstance(found, Mapping) else {"result": found}


def _image(image: Image) -> dict[str, Any]:
    if image.url:
        return {"fileData": {"fileUri": image.url}}
    return {"inlineData": {"mimeType": image.media_type, "data": image.data}}


def _declaration(function: Mapping[str, Any]) -> dict[str, Any]:
    found = renamed(function, {"name": "name", "description": "description"})
    schema = function.get("parameters")
    if isinstance(schema, Mapping) and schema.get("properties"):
        name = "parameters" if _is_openapi(schema) else "parametersJsonSchema"
        found[name] = schema
    return found


def _is_openapi(schema: Any) -> bool:
    if not isinstance(schema, Mapping) or not schema.keys() <= OPENAPI:
        return False
    inner = [*(schema.get("properties") or {}).values(), *(schema.get("anyOf") or ())]
    inner += [schema["items"]] if "items" in schema else []
    return isinstance(schema.get("type", ""), str) and all(_is_openapi(each) for each in inner)


def _tool_config(parameters: Mapping[str, Any]) -> dict[str, Any]:
    mode, name = tool_choice(parameters)
    if mode not in CHOICES:
        return {}
    config: dict[str, Any] = {"mode": CHOICES[mode]}
    if name:
        config["allowedFunctionNames"] = [name]
    return {"toolConfig": {"functionCallingConfig": config}}


def _config(parameters: Mapping[str, Any], model_id: str) -> dict[str, Any]:
    config = renamed(parameters, CONFIG)
    if stop_list(parameters):
        config["stopSequences"] = stop_list(parameters)
    is_json, schema = json_schema(parameters)
    if is_json:
        config["responseMimeType"] = "application/json"
    if schema is not None:
        config["responseJsonSchema"] = schema
    effort = parameters.get("reasoning_effort")
    if isinstance(effort, str):
        config["thinkingConfig"] = _thinking(effort, model_id)
    return config


def _thinking(effort: str, model_id: str) -> dict[str, Any]:
    """2.5 has a budget in tokens, 3 and later have levels; never both."""
    is_budget = "gemini-2" in model_id
    if effort in ("none", "off"):
        return {"thinkingBudget": 0} if is_budget else {"thinkingLevel": "MINIMAL"}
    if effort == "auto":
        return {"includeThoughts": True}
    level: dict[str, Any] = {"thinkingLevel": effort.upper()}
    if is_budget:
        level = {"thinkingBudget": THINKING_TOKENS.get(effort, -1)}
    return {"includeThoughts": True, **level}


def _listed(row: Mapping[str, Any]) -> ListedModel:
    model_id = row["name"].removeprefix("models/")[:200]
    methods = row.get("supportedGenerationMethods")
    stated = [TYPES[each] for each in methods or () if each in TYPES]
    types, evidence = detect_types(model_id)
    # An image model of the main family also has generateContent: there the name knows better.
    if stated and (stated[0] != "chat" or types[0] not in ("image", "tts", "realtime")):
        types, evidence = detect_types(model_id, {"type": stated[0]})
    if types[0] == "chat" and row.get("thinking") is True:
        types = ("chat", *sorted({*types[1:], "reasoning"}))
    return ListedModel(
        model_id,
        types,
        count_of(row, "inputTokenLimit"),
        evidence,
        name=str(row.get("displayName") or ""),
        output_tokens=count_of(row, "outputTokenLimit"),
    )


class GeminiReader(JsonReader):
    kind = "gemini"

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        super().__init__(is_stream=is_stream, target=target)
        self._signatures: list[str] = []

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._object(answer, "")
        self.is_ended = True

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        usage = _usage(chunk.get("usageMetadata"))
        if usage is not None:
            yield usage
        feedback = chunk.get("promptFeedback")
        if isinstance(feedback, Mapping) and feedback.get("blockReason"):
            self.has_content = True
            yield from self._finish("PROHIBITED_CONTENT")
        candidates = chunk.get("candidates")
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict) and candidate.get("index", 0) == 0:
                yield from self._candidate(candidate)

    def _candidate(self, candidate: Mapping[str, Any]) -> Iterator[Event]:
        self.has_content = True
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                yield from self._part(part)
        if candidate.get("finishReason"):
            yield from self._finish(str(candidate["finishReason"]))

    def _part(self, part: Mapping[str, Any]) -> Iterator[Event]:
        call, text = part.get("functionCall"), part.get("text")
        signature = str(part.get("thoughtSignature") or "")
        if isinstance(call, dict):
            position = len(self._signatures)
            self._signatures.append(signature)
            call_id, name = str(call.get("id") or ""), str(call.get("name") or "")
            yield from self.calls.piece(position, call_id, name, call.get("args") or "{}")
        elif signature:
            self.state["text"] = signature
        if isinstance(text, str) and text:
            yield ThinkingDelta(text) if part.get("thought") is True else TextDelta(text)

    def _rest(self) -> Iterator[Event]:
        if any(self._signatures):
            self.state["calls"] = self._signatures
        return iter(())


def _usage(raw: Any) -> Usage | None:
    """Thoughts are not in `candidatesTokenCount`; cached tokens are in `promptTokenCount`."""
    if not isinstance(raw, dict):
        return None
    spoken, thought = count_of(raw, "candidatesTokenCount"), count_of(raw, "thoughtsTokenCount")
    is_counted = spoken is not None or thought is not None
    prompt, used = count_of(raw, "promptTokenCount"), count_of(raw, "toolUsePromptTokenCount")
    return Usage(
        prompt_tokens=None if prompt is None else prompt + (used or 0),
        completion_tokens=(spoken or 0) + (thought or 0) if is_counted else None,
        reasoning_tokens=thought,
        cached_tokens=count_of(raw, "cachedContentTokenCount"),
    )
