"""Messages in OpenAI's shape, taken apart for dialects that have another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from providers.errors import BadRequest
from providers.types import ChatMessage, ChatRequest, ProviderState, Target, ToolCall


@dataclass(frozen=True)
class Image:
    """`data` is base64 and `url` empty, or the other way round."""

    url: str
    media_type: str = ""
    data: str = ""

    @classmethod
    def of(cls, url: str) -> "Image":
        """Raises BadRequest for a data URL that is not base64."""
        if not url.startswith("data:"):
            return cls(url)
        head, comma, data = url[5:].partition(",")
        media_type, _semicolon, coding = head.partition(";")
        if not comma or not coding.endswith("base64"):
            raise BadRequest("the image is not base64")
        return cls("", media_type or "image/png", data)


@dataclass(frozen=True)
class Turn:
    """One message. `state` is what this provider wants back with it, and empty for all others."""

    role: str
    parts: Sequence[str | Image] = ()
    calls: Sequence[ToolCall] = ()
    call_id: str = ""
    tool_name: str = ""
    state: Mapping[str, Any] | None = None

    @property
    def text(self) -> str:
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def images(self) -> list[Image]:
        return [part for part in self.parts if isinstance(part, Image)]

    @property
    def said(self) -> Mapping[str, Any]:
        return self.state or {}


def turns(target: Target, request: ChatRequest) -> list[Turn]:
    """All messages; answers of tools know the tool's name, which OpenAI's shape leaves out."""
    found, names = [], dict[str, str]()
    for message in openai_messages(request.messages):
        state = message.get("provider_state")
        is_mine = isinstance(state, ProviderState) and state.is_for(target)
        calls = list(_calls(message.get("tool_calls")))
        names |= {call.id: call.name for call in calls}
        call_id = str(message.get("tool_call_id") or "")
        turn = Turn(
            role=str(message.get("role") or "user"),
            parts=list(_parts(message.get("content"))),
            calls=calls,
            call_id=call_id,
            tool_name=str(message.get("name") or names.get(call_id, "")),
            state=state.data if is_mine and isinstance(state, ProviderState) else None,
        )
        found.append(turn)
    return found


def split_system(found: Sequence[Turn]) -> tuple[str, list[Turn]]:
    """The instructions, and the turns that are none."""
    system = [turn.text for turn in found if turn.role in ("system", "developer")]
    others = [turn for turn in found if turn.role not in ("system", "developer")]
    return "\n\n".join(text for text in system if text), others


def openai_messages(messages: Sequence[ChatMessage | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """All as mappings of OpenAI's shape; `provider_state` is still in them."""
    return [_openai(m) if isinstance(m, ChatMessage) else dict(m) for m in messages]


def _openai(message: ChatMessage) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images:
        texts = [{"type": "text", "text": message.content}] if message.content else []
        images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
        found["content"] = [*texts, *images]
    if message.tool_calls:
        found["tool_calls"] = [openai_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        found["tool_call_id"] = message.tool_call_id
    if message.state is not None:
        found["provider_state"] = message.state
    return found


def openai_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _calls(raw: Any) -> Iterator[ToolCall]:
    for call in raw if isinstance(raw, list) else ():
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            arguments = function.get("arguments") or "{}"
            text = arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()
            yield ToolCall(str(call.get("id") or ""), str(function.get("name") or ""), text)


def _parts(content: Any) -> Iterator[str | Image]:
    if isinstance(content, str) and content:
        yield content
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, Mapping):
            continue
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            yield Image.of(url)
        elif part.get("type", "text") != "text":
            raise BadRequest("this kind of content is not known here")
        elif part.get("text"):
            yield str(part["text"])


def arguments_of(call: ToolCall) -> Any:
    """The arguments as an object. What is no JSON object, a model got wrong: it goes as text."""
    try:
        found = orjson.loads(call.arguments or "{}")
    except ValueError:
        return {"arguments": call.arguments}
    return found if isinstance(found, Mapping) else {"arguments": found}


def functions(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The functions among `tools`."""
    tools = parameters.get("tools") or ()
    found = [tool.get("function") for tool in tools if isinstance(tool, Mapping)]
    return [function for function in found if isinstance(function, Mapping)]


def tool_choice(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """The mode: auto, none, required, tool or empty; and the name of the tool."""
    choice = parameters.get("tool_choice")
    if isinstance(choice, Mapping):
        function = choice.get("function")
        return "tool", str(function.get("name") or "") if isinstance(function, Mapping) else ""
    return (choice, "") if isinstance(choice, str) else ("", "")


def json_schema(parameters: Mapping[str, Any]) -> tuple[bool, Mapping[str, Any] | None]:
    """Whether JSON is asked for, and the schema it must follow."""
    wanted = parameters.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if not isinstance(wanted, Mapping) or kind not in ("json_object", "json_schema"):
        return False, None
    inner = wanted.get("json_schema")
    schema = inner.get("schema") if isinstance(inner, Mapping) else None
    return True, schema if isinstance(schema, Mapping) else None


def kept_parameters(target: Target, request: ChatRequest) -> dict[str, Any]:
    """OpenAI's parameters that have a value and that the administrator did not drop."""
    dropped = target.drop_params
    found = request.parameters.items()
    return {name: value for name, value in found if value is not None and name not in dropped}


def renamed(parameters: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Only the parameters in `names`, under their new names; the first of two wins."""
    found: dict[str, Any] = {}
    for name, new in names.items():
        if name in parameters:
            found.setdefault(new, parameters[name])
    return found


def stop_list(parameters: Mapping[str, Any]) -> list[str]:
    stop = parameters.get("stop")
    return [stop] if isinstance(stop, str) else list(stop or ())
