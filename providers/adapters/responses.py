"""OpenAI's Responses API: for models that chat completions refuse (codex, pro, deep research), and
the only place where OpenAI tells what its models thought.

Nothing is stored at OpenAI (`store` false): reasoning items come encrypted and go back as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.adapters.answers import count_of
from providers.adapters.messages import (
    Image,
    Turn,
    functions,
    json_schema,
    kept_parameters,
    renamed,
    split_system,
    tool_choice,
    turns,
)
from providers.adapters.openai import OpenAIAdapter
from providers.adapters.reading import JsonReader
from providers.errors import error_of
from providers.types import (
    ChatRequest,
    Event,
    HttpRequest,
    Target,
    TextDelta,
    ThinkingDelta,
    Usage,
)

PASSED = {
    **{"max_completion_tokens": "max_output_tokens", "max_tokens": "max_output_tokens"},
    **{"temperature": "temperature", "top_p": "top_p", "metadata": "metadata", "user": "user"},
    "parallel_tool_calls": "parallel_tool_calls",
}
SPOKEN = ("response.output_text.delta", "response.refusal.delta")
THOUGHT = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")
ENDS = ("response.completed", "response.incomplete", "response.failed")
REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


class ResponsesAdapter(OpenAIAdapter):
    paths = {**OpenAIAdapter.paths, "chat": "/responses"}

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        system, others = split_system(turns(target, request))
        body: dict[str, Any] = {"model": target.model_id}
        if system:
            body["instructions"] = system
        body["input"] = [item for turn in others for item in _items(turn)]
        body |= renamed(parameters, PASSED)
        body |= _tools(parameters)
        effort = parameters.get("reasoning_effort")
        if isinstance(effort, str):
            body["reasoning"] = {"effort": effort, "summary": "auto"}
        is_json, schema = json_schema(parameters)
        if is_json:
            named = {"type": "json_schema", "name": "answer", "schema": schema}
            body["text"] = {"format": named if schema is not None else {"type": "json_object"}}
        body |= {"store": False, "include": ["reasoning.encrypted_content"]}
        if request.is_stream:
            body["stream"] = True
        return self.chat_post(target, self.url(target, "chat"), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "ResponsesReader":
        return ResponsesReader(is_stream=is_stream, target=target)


def _items(turn: Turn) -> Iterator[Mapping[str, Any]]:
    if turn.role == "tool":
        yield {"type": "function_call_output", "call_id": turn.call_id, "output": turn.text}
        return
    yield from turn.said.get("reasoning") or ()
    if turn.images:
        yield {"role": turn.role, "content": [_part(part) for part in turn.parts]}
    elif turn.text:
        yield {"role": turn.role, "content": turn.text}
    for call in turn.calls:
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": call.arguments,
        }


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    url = part.url or f"data:{part.media_type};base64,{part.data}"
    return {"type": "input_image", "image_url": url}


def _tools(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Functions lie flat here, and are strict unless told otherwise."""
    tools = [{"type": "function", "strict": False, **each} for each in functions(parameters)]
    if not tools:
        return {}
    mode, name = tool_choice(parameters)
    choice = {"type": "function", "name": name} if name else mode
    return {"tools": tools} | ({"tool_choice": choice} if choice else {})


class ResponsesReader(JsonReader):
    kind = "responses"

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        items = answer.get("output")
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, Mapping):
                yield from self._whole_item(index, item)
        if isinstance(items, list):
            yield from self._end(answer, "")

    def _whole_item(self, index: int, item: Mapping[str, Any]) -> Iterator[Event]:
        yield from self._call(index, item)
        self._keep(item)
        for name in ("summary", "content"):
            parts = item.get(name)
            for part in parts if isinstance(parts, list) else ():
                text = part.get("text") or part.get("refusal") if isinstance(part, Mapping) else ""
                if isinstance(text, str) and text:
                    is_thought = item.get("type") == "reasoning"
                    yield ThinkingDelta(text) if is_thought else TextDelta(text)

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        kind, delta = chunk.get("type"), chunk.get("delta")
        index, item = count_of(chunk, "output_index") or 0, chunk.get("item")
        if kind in SPOKEN and isinstance(delta, str) and delta:
            self.has_content = True
            yield TextDelta(delta)
        elif kind in THOUGHT and isinstance(delta, str) and delta:
            self.has_content = True
            yield ThinkingDelta(delta)
        elif kind == "response.output_item.added" and isinstance(item, Mapping):
            yield from self._call(index, item)
        elif kind == "response.function_call_arguments.delta":
            yield from self.calls.piece(index, "", "", delta)
        elif kind == "response.output_item.done" and isinstance(item, Mapping):
            self._keep(item)
        elif kind in ENDS and isinstance(chunk.get("response"), Mapping):
            yield from self._end(chunk["response"], payload)

    def _call(self, index: int, item: Mapping[str, Any]) -> Iterator[Event]:
        if item.get("type") == "function_call":
            call_id, name = str(item.get("call_id") or ""), str(item.get("name") or "")
            yield from self.calls.piece(index, call_id, name, item.get("arguments"))

    def _keep(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "reasoning":
            self.state.setdefault("reasoning", []).append(dict(item))

    def _end(self, answer: Mapping[str, Any], payload: str) -> Iterator[Event]:
        self.has_content = True
        yield from _usage(answer.get("usage"))
        if answer.get("status") == "failed":
            raise error_of(500, payload)
        details = answer.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, Mapping) else None
        yield from self._finish(REASONS.get(str(reason), str(reason or "stop")))


def _usage(raw: Any) -> Iterator[Event]:
    if isinstance(raw, Mapping):
        yield Usage(
            prompt_tokens=count_of(raw, "input_tokens"),
            completion_tokens=count_of(raw, "output_tokens"),
            reasoning_tokens=count_of(raw, "output_tokens_details", "reasoning_tokens"),
            cached_tokens=count_of(raw, "input_tokens_details", "cached_tokens"),
            cache_write_tokens=count_of(raw, "input_tokens_details", "cache_write_tokens"),
        )
