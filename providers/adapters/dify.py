"""An application behind Dify's API: chatbot, agent, chatflow, text generator or workflow.

One key is one application, so its model list has one row. `Profile.app_mode` is the `mode` that
GET /info tells. An application remembers its conversation by an id, which comes back as the
provider's state; without it, earlier messages go in front of the question.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from providers.adapters.answers import count_of, read_object
from providers.adapters.base import HttpAdapter
from providers.adapters.messages import Turn, kept_parameters, renamed, turns
from providers.adapters.openai import read_cost
from providers.adapters.reading import JsonReader
from providers.errors import BadRequest, Unavailable, error_of
from providers.thinking import ThinkSplitter
from providers.types import (
    AgentStep,
    ChatRequest,
    Citation,
    Event,
    HttpRequest,
    LinkedFile,
    ListedModel,
    Outputs,
    Target,
    TextReplaced,
    ThinkingDelta,
    Usage,
)

DEFAULT_USER = "llmplatform"
PASSED = ("conversation_id", "auto_generate_name", "workflow_id")
AGENTS = ("agent", "agent-chat")
MODES = (*AGENTS, "chat", "advanced-chat", "completion", "workflow")
PATHS = {"workflow": "workflow", "completion": "completion"}


class DifyAdapter(HttpAdapter):
    paths = {
        "chat": "/chat-messages",
        "completion": "/completion-messages",
        "workflow": "/workflows/run",
        "models": "/info",
    }

    def chat(self, target: Target, request: ChatRequest) -> HttpRequest:
        parameters = kept_parameters(target, request)
        found = turns(target, request)
        mode = target.profile.app_mode
        body: dict[str, Any] = {"inputs": parameters.get("inputs") or {}}
        body["user"] = str(parameters.get("user") or DEFAULT_USER)
        body["response_mode"] = "streaming" if request.is_stream else "blocking"
        files = [_file(image.url) for turn in found[-1:] for image in turn.images]
        if files:
            body["files"] = files
        if mode != "workflow":
            conversation_id = _conversation_id(found)
            if conversation_id:
                body["conversation_id"] = conversation_id
            body |= renamed(parameters, {name: name for name in PASSED})
            body["query"] = _query(found, is_known=bool(body.get("conversation_id")))
        return self.chat_post(target, self.url(target, PATHS.get(mode, "chat")), body)

    def reader(self, *, is_stream: bool, target: Target | None = None) -> "DifyReader":
        return DifyReader(is_stream=is_stream, target=target)

    def models(self, target: Target) -> HttpRequest:
        return self.get(target, "models")

    def read_models(self, body: bytes) -> list[ListedModel]:
        answer = read_object(body)
        mode = str(answer.get("mode") or "chat")
        name = str(answer.get("name") or mode)
        return [ListedModel(name[:200], ("chat",), evidence="metadata", name=name)]

    def read_app_mode(self, body: bytes) -> str:
        """For `Profile.app_mode`, from the same answer as the model list; empty where it says
        nothing that is known."""
        mode = read_object(body).get("mode")
        return mode if mode in MODES else ""


def _file(url: str) -> dict[str, str]:
    if not url:
        raise BadRequest("the application takes images by address only")
    return {"type": "image", "transfer_method": "remote_url", "url": url}


def _conversation_id(found: Sequence[Turn]) -> str:
    ids = (turn.said.get("conversation_id") for turn in reversed(found))
    return next((str(each) for each in ids if each), "")


def _query(found: Sequence[Turn], *, is_known: bool) -> str:
    if not found:
        return ""
    earlier = [turn for turn in found[:-1] if turn.text]
    if is_known or not earlier:
        return found[-1].text
    lines = [f"{turn.role}: {turn.text}" for turn in (*earlier, found[-1])]
    return "\n\n".join(lines)


class DifyReader(JsonReader):
    kind = "dify"

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        super().__init__(is_stream=is_stream, target=target)
        self._splitter = ThinkSplitter()
        self._is_repeated = target is not None and target.profile.app_mode in AGENTS
        self._text = ""
        self._has_usage = False
        self._ends = {
            "message_end": self._message_end,
            "workflow_finished": self._workflow_finished,
            "workflow_paused": self._paused,
        }

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        if "answer" in answer:
            yield from self._message(answer)
            yield from self._message_end(answer)
        elif isinstance(answer.get("data"), Mapping):
            yield from self._workflow_finished(answer)

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        kind = chunk.get("event")
        raw = chunk.get("data")
        data = raw if isinstance(raw, dict) else {}
        if kind == "error":
            raise error_of(count_of(chunk, "status") or 500, payload)
        if kind in self._ends:
            yield from self._ends[str(kind)](chunk)
        elif kind in ("message", "agent_message"):
            yield from self._message(chunk)
        elif kind == "text_chunk":
            yield from self._said(str(data.get("text") or ""))
        elif kind == "message_replace":
            yield self._replaced(str(chunk.get("answer") or ""))
        elif kind == "reasoning_chunk" and data.get("reasoning"):
            yield ThinkingDelta(str(data["reasoning"]))
        elif kind in ("agent_thought", "message_file"):
            yield _step(chunk) if kind == "agent_thought" else _linked(chunk)

    def _message(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        if chunk.get("conversation_id"):
            self.state["conversation_id"] = chunk["conversation_id"]
        text = str(chunk.get("answer") or "")
        # The last message of such an agent is the whole answer once more.
        if self._is_repeated and self._text and text.startswith(self._text):
            text = text[len(self._text) :]
        yield from self._said(text)

    def _said(self, text: str) -> Iterator[Event]:
        self.has_content = True
        self._text += text
        yield from self._splitter.feed(text) if text else ()

    def _replaced(self, text: str) -> Event:
        self.has_content = True
        self._text, self._splitter = text, ThinkSplitter()
        return TextReplaced(text)

    def _message_end(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        raw = chunk.get("metadata")
        metadata = raw if isinstance(raw, dict) else {}
        self.has_content = True
        passages = metadata.get("retriever_resources")
        for passage in passages if isinstance(passages, list) else ():
            if isinstance(passage, Mapping):
                yield _citation(passage)
        usage = metadata.get("usage")
        if isinstance(usage, Mapping):
            self._has_usage = True
            yield Usage(
                prompt_tokens=count_of(usage, "prompt_tokens"),
                completion_tokens=count_of(usage, "completion_tokens"),
                cost=read_cost(usage.get("total_price")),
                currency=str(usage.get("currency") or ""),
            )
        yield from self._finish("stop")

    def _workflow_finished(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        data = chunk["data"] if isinstance(chunk.get("data"), Mapping) else {}
        self.has_content = True
        if data.get("status") == "failed":
            self.failure = Unavailable("the workflow failed")
            return
        outputs = data.get("outputs")
        if isinstance(outputs, Mapping):
            texts = [value for value in outputs.values() if isinstance(value, str)]
            if not self._text:
                yield from self._said("\n\n".join(texts))
            yield Outputs(outputs)
        if not self._has_usage:
            yield Usage(unsplit_tokens=count_of(data, "total_tokens"))
        yield from self._finish("stop")

    def _paused(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """It waits for a person on Dify's side."""
        self.has_content = True
        yield from self._finish("pause")

    def _rest(self) -> Iterator[Event]:
        yield from self._splitter.flush()


def _citation(passage: Mapping[str, Any]) -> Citation:
    score = passage.get("score")
    return Citation(
        title=str(passage.get("document_name") or ""),
        text=str(passage.get("content") or ""),
        score=float(score) if isinstance(score, int | float) else None,
    )


def _step(chunk: Mapping[str, Any]) -> AgentStep:
    names = ("id", "thought", "tool", "tool_input", "observation")
    return AgentStep(**{name: str(chunk.get(name) or "") for name in names})


def _linked(chunk: Mapping[str, Any]) -> LinkedFile:
    return LinkedFile(**{name: str(chunk.get(name) or "") for name in ("id", "type", "url")})
