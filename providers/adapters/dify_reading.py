"""What an application behind Dify's API answers, as it comes."""

from collections.abc import Iterator, Mapping
from typing import Any

from providers.adapters.answers import count_of
from providers.adapters.openai import read_cost
from providers.adapters.reading import JsonReader
from providers.errors import Failed, error_of
from providers.thinking import ThinkSplitter
from providers.types import (
    AgentStep,
    Citation,
    Event,
    LinkedFile,
    Outputs,
    Target,
    TextReplaced,
    ThinkingDelta,
    Usage,
)

AGENTS = ("agent", "agent-chat")


class DifyReader(JsonReader):
    """`task_id`: what stops the answer at Dify; empty until it is known."""

    kind = "dify"
    task_id = ""

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

    @property
    def has_finished(self) -> bool:
        """There is nothing left to stop."""
        return self._is_finished or self.is_ended

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        if "answer" in answer:
            yield from self._message(answer)
            yield from self._message_end(answer)
        elif isinstance(answer.get("data"), Mapping):
            yield from self._workflow_finished(answer)

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        kind = chunk.get("event")
        self.task_id = str(chunk.get("task_id") or self.task_id)
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
        for name in ("conversation_id", "message_id"):
            if isinstance(chunk.get(name), str) and chunk[name]:
                self.state[name] = chunk[name]
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
            self.failure = Failed("the workflow failed")
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
