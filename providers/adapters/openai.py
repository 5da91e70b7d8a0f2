"""The OpenAI chat-completions dialect, which most providers speak with small deviations.

Accepted on the way in: `delta.content` as text or as parts, `reasoning_content`, `reasoning` or
`reasoning_details` for thoughts, `<think>` tags in the text, usage in any chunk or inside the
choice, tool calls without an index or as one object, an error object in a 200 stream, a stream that
just closes without `[DONE]`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from providers.adapters.answers import as_count, count_of, read_object, read_vectors, rows_of
from providers.adapters.base import HttpAdapter
from providers.adapters.messages import kept_parameters, openai_messages
from providers.adapters.reading import JsonReader
from providers.detection import detect_types
from providers.errors import InvalidAnswer
from providers.thinking import ThinkSplitter
from providers.types import (
    ChatRequest,
    EmbeddingRequest,
    Embeddings,
    Event,
    HttpRequest,
    ListedModel,
    ProviderState,
    Ranked,
    Ranking,
    RerankRequest,
    Target,
    ThinkingDelta,
    Usage,
)

LIMITS = ("max_tokens", "max_completion_tokens")


def read_usage(raw: Any) -> Usage | None:
    """None where the provider said nothing. Negative and non-integer counts are unknown."""
    if not isinstance(raw, dict):
        return None
    prompt, completion = as_count(raw.get("prompt_tokens")), as_count(raw.get("completion_tokens"))
    details, prompts = raw.get("completion_tokens_details"), raw.get("prompt_tokens_details")
    reasoning = count_of(details, "reasoning_tokens") if details else None
    total = as_count(raw.get("total_tokens"))
    is_split = prompt is not None and completion is not None
    if is_split and reasoning and total == prompt + completion + reasoning:  # type: ignore[operator]
        completion = completion + reasoning  # type: ignore[operator]  # xAI counts it apart
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        cached_tokens=_cached(raw),
        cache_write_tokens=count_of(prompts, "cache_write_tokens") if prompts else None,
        unsplit_tokens=None if is_split else total,
        cost=read_cost(raw["cost"]) if "cost" in raw else None,
    )


def _cached(raw: Mapping[str, Any]) -> int | None:
    """Where OpenAI has it, DeepSeek, or Moonshot."""
    prompts = raw.get("prompt_tokens_details")
    found = count_of(prompts, "cached_tokens") if prompts else None
    for name in ("prompt_cache_hit_tokens", "cached_tokens"):
        if found is None and name in raw:
            found = count_of(raw, name)
    return found


def read_cost(value: Any) -> Decimal | None:
    """An amount as the provider wrote it, in text or as a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


def text_of(content: Any) -> str:
    """Text of `content`, which is a string, a list of parts, or null."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


class OpenAIReader(JsonReader):
    kind = "openai"

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        super().__init__(is_stream=is_stream, target=target)
        starts_inside = target is not None and target.profile.starts_in_think
        self._splitter = ThinkSplitter(starts_inside=starts_inside)
        self._thoughts = Thoughts()

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        return self._object(answer, "")

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            yield from self._choice(choice)
        usage = chunk.get("usage")
        if not usage and "x_groq" in chunk:
            usage = chunk["x_groq"].get("usage") if isinstance(chunk["x_groq"], Mapping) else None
        yield from self._count(usage)

    def _count(self, raw: Any) -> Iterator[Event]:
        usage = None if raw is None else read_usage(raw)
        if usage is not None:
            yield usage

    def _choice(self, choice: Any) -> Iterator[Event]:
        if not isinstance(choice, dict) or choice.get("index", 0) not in (0, None):
            return
        self.has_content = True
        part = choice.get("delta") or choice.get("message")
        if isinstance(part, dict):
            yield from self._part(part)
        if "usage" in choice:
            yield from self._count(choice["usage"])
        if choice.get("finish_reason"):
            yield from self._finish(str(choice["finish_reason"]))

    def _part(self, part: Mapping[str, Any]) -> Iterator[Event]:
        content = part.get("content") or part.get("refusal")
        # Most pieces are a word and nothing else: they skip the search for thoughts.
        if len(part) > 1 or not isinstance(content, str):
            thought = self._thoughts.read(part)
            if thought:
                yield ThinkingDelta(thought)
        text = text_of(content)
        if text:
            yield from self._splitter.feed(text)
        calls = part.get("tool_calls") or part.get("function_call")
        if isinstance(calls, Mapping):
            calls = [calls if "function" in calls else {"function": calls}]
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield from self._call(call)

    def _call(self, call: Mapping[str, Any]) -> Iterator[Event]:
        raw = call.get("function")
        function = raw if isinstance(raw, dict) else {}
        call_id, name = str(call.get("id") or ""), str(function.get("name") or "")
        index = self.calls.index_of(call.get("index"), call_id, is_named=bool(name))
        yield from self.calls.piece(index, call_id, name, function.get("arguments"))

    def _rest(self) -> Iterator[Event]:
        yield from self._splitter.flush()
        # Asked back in tool loops only; elsewhere some providers refuse it.
        if self.calls:
            self.state |= self._thoughts.state()


class Thoughts:
    """Thoughts beside the text, wherever the provider puts them, and in a form to give back."""

    def __init__(self) -> None:
        self._field = ""
        self._text: list[str] = []
        self._details: list[Any] = []
        self._so_far = ""
        self._is_whole_each_time = True

    def read(self, part: Mapping[str, Any]) -> str:
        details = part.get("reasoning_details")
        details = details if isinstance(details, list) else []
        self._details += details
        for name in ("reasoning_content", "reasoning"):
            thought = part.get(name)
            if isinstance(thought, str) and thought:
                self._field = name
                self._text.append(thought)
                return thought
        text = text_of(details)
        return self._new_part(text) if text else _thinking_parts(part.get("content"))

    def _new_part(self, text: str) -> str:
        """MiniMax may send the whole thought so far each time."""
        seen = self._so_far
        self._is_whole_each_time = self._is_whole_each_time and text.startswith(seen)
        if self._is_whole_each_time:
            self._so_far = text
            return text[len(seen) :]
        self._so_far += text
        return text

    def state(self) -> dict[str, Any]:
        if self._details:
            return {"reasoning_details": self._details}
        return {self._field: "".join(self._text)} if self._field else {}


def _thinking_parts(content: Any) -> str:
    """Mistral: parts of the content that are thoughts."""
    parts = content if isinstance(content, list) else ()
    return "".join(
        text_of(part.get("thinking"))
        for part in parts
        if isinstance(part, dict) and part.get("type") == "thinking"
    )


class OpenAIAdapter(HttpAdapter):
    paths = {
        "chat": "/chat/completions",
        "embeddings": "/embeddings",
        "rerank": "/rerank",
        "models": "/models",
    }

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        body: dict[str, Any] = {"model": target.model_id, "messages": _messages(target, request)}
        body |= kept_parameters(target, request)
        wanted = target.profile.max_tokens_field
        for name in LIMITS:
            if wanted and name != wanted and name in body:
                limit = body.pop(name)
                body.setdefault(wanted, limit)
        if request.is_stream:
            body["stream"] = True
            if target.profile.include_usage and not target.is_managed:
                body["stream_options"] = {"include_usage": True}
        return self.chat_post(target, self.url(target, "chat"), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> JsonReader:
        return OpenAIReader(is_stream=is_stream, target=target)

    def embed(self, target: Target, request: EmbeddingRequest) -> HttpRequest:
        # The SDKs ask for base64 unless told otherwise, and some servers follow them.
        body: dict[str, Any] = {"model": target.model_id, "input": list(request.texts)}
        body["encoding_format"] = "float"
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        return self.post(target, self.url(target, "embeddings"), body)

    def read_embeddings(self, body: bytes) -> Embeddings:
        answer = read_object(body)
        rows = sorted(rows_of(answer, "data"), key=lambda row: count_of(row, "index") or 0)
        vectors = read_vectors([row.get("embedding") for row in rows])
        return Embeddings(vectors, read_usage(answer.get("usage")) or Usage())

    def rerank(self, target: Target, request: RerankRequest) -> HttpRequest:
        return self.post(target, self.url(target, "rerank"), rerank_body(target, request))

    def read_ranking(self, body: bytes) -> Ranking:
        answer = read_object(body)
        return Ranking(read_ranked(answer), read_usage(answer.get("usage")) or Usage())

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        try:
            answer = orjson.loads(body)
        except ValueError as error:
            raise InvalidAnswer("not JSON") from error
        # Together answers with the bare list.
        rows = rows_of({"data": answer} if isinstance(answer, list) else read_object(body), "data")
        found = {row["id"]: _listed(row) for row in rows if isinstance(row.get("id"), str)}
        return [model for model_id, model in found.items() if model_id]


def _messages(target: Target, request: ChatRequest) -> list[dict[str, Any]]:
    """As they are, with what this provider wants back and nothing that another one said."""
    messages = openai_messages(request.messages)
    for message in messages:
        state = message.pop("provider_state", None)
        if isinstance(state, ProviderState) and state.is_for(target):
            message |= state.data
    return messages


def rerank_body(target: Target, request: RerankRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"model": target.model_id, "query": request.query}
    body["documents"] = list(request.documents)
    return body | ({} if request.top_n is None else {"top_n": request.top_n})


def read_ranked(answer: Mapping[str, Any]) -> list[Ranked]:
    """`results`, best first; rows without an index or a score are left out."""
    found = []
    for row in rows_of(answer, "results"):
        index, score = count_of(row, "index"), row.get("relevance_score")
        if index is not None and isinstance(score, int | float):
            found.append(Ranked(index, float(score)))
    return sorted(found, key=lambda row: -row.score)


def _listed(row: Mapping[str, Any]) -> ListedModel:
    types, evidence = detect_types(row["id"], row)
    names = ("context_length", "max_model_len", "context_window", "max_context_length")
    context = next((row[name] for name in names if isinstance(row.get(name), int)), None)
    return ListedModel(row["id"][:200], types, context, evidence)
