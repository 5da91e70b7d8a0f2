"""What the readers of all dialects share: JSON objects in a stream, its end, its faults."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from uuid import uuid4

import orjson

from providers.adapters.answers import read_object
from providers.errors import Incomplete, InvalidAnswer, ProviderError, error_in
from providers.sse import EventDecoder
from providers.types import Event, Finish, ProviderState, Target, ToolCallDelta, model_family

BAD_EVENTS_IN_A_ROW = 10
MAX_ANSWER_CHARS = 50_000_000
# Of a body that may turn out to be a page or a plain object where a stream was promised.
MAX_HEAD_BYTES = 1_000_000
FINISH = {
    **dict.fromkeys(
        ("stop", "end_turn", "stop_sequence", "STOP", "COMPLETE", "STOP_SEQUENCE", "eos"), "stop"
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"),
        "length",
    ),
    **dict.fromkeys(("tool_calls", "function_call", "tool_use", "TOOL_CALL"), "tool_calls"),
    **dict.fromkeys(
        (
            *("content_filter", "refusal", "sensitive", "SAFETY", "RECITATION", "BLOCKLIST"),
            *("PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE"),
        ),
        "content_filter",
    ),
    "pause_turn": "pause",
    **dict.fromkeys(
        (
            *("error", "network_error", "ERROR", "TIMEOUT", "MALFORMED_FUNCTION_CALL"),
            "UNEXPECTED_TOOL_CALL",
        ),
        "error",
    ),
}


class Decoder(Protocol):
    def feed(self, data: bytes) -> list[str]: ...

    def flush(self) -> list[str]: ...


class Calls:
    """The tool calls of one answer, brought into pieces that all look alike."""

    def __init__(self) -> None:
        self._ids: dict[int, str] = {}
        self._names: dict[int, str] = {}
        self._has_arguments: set[int] = set()

    def __bool__(self) -> bool:
        return bool(self._ids)

    def index_of(self, stated: Any, call_id: str, *, is_named: bool) -> int:
        """Some providers count their calls, others only name them, others do neither."""
        if isinstance(stated, int) and stated >= 0:
            return stated
        for index, known in self._ids.items():
            if call_id and known == call_id:
                return index
        is_new = bool(call_id) or is_named or not self._ids
        return len(self._ids) if is_new else len(self._ids) - 1

    def piece(self, index: int, call_id: str, name: str, arguments: Any) -> Iterator[ToolCallDelta]:
        """`arguments`: JSON text or an object. Ids that are missing are invented."""
        is_new = index not in self._ids
        if is_new:
            self._ids[index] = call_id or f"call_{uuid4().hex[:16]}"
        shown = "" if index in self._names else name
        if shown:
            self._names[index] = shown
        if isinstance(arguments, Mapping):
            arguments = orjson.dumps(arguments).decode()
        text = arguments if isinstance(arguments, str) else ""
        if text:
            self._has_arguments.add(index)
        if is_new or shown or text:
            yield ToolCallDelta(index, self._ids[index] if is_new else "", shown, text)

    def ends(self) -> Iterator[ToolCallDelta]:
        """No arguments at all mean an empty object."""
        for index in self._ids:
            if index not in self._has_arguments:
                self._has_arguments.add(index)
                yield ToolCallDelta(index, arguments="{}")


class JsonReader:
    """A dialect says what one object of a stream means (`_object`) and what a whole answer means
    (`_answer`), and calls `_finish` with the provider's reason.

    Single events that are no JSON are skipped. An answer without any content is InvalidAnswer; one
    that ends without a reason and without an end mark is Incomplete, after all that did arrive.
    """

    kind = ""

    def __init__(self, *, is_stream: bool, target: Target | None = None) -> None:
        self.target = target
        self.calls = Calls()
        self.has_content = False
        self.is_ended = False
        self.state: dict[str, Any] = {}
        # Known before the end, but a later event may say it better.
        self.failure: ProviderError | None = None
        self._is_stream = is_stream
        self._decoder = self._make_decoder()
        self._head: bytearray | None = bytearray()
        self._bad = 0
        self._size = 0
        self._is_finished = False

    def _make_decoder(self) -> Decoder:
        return EventDecoder()

    def _object(self, chunk: Mapping[str, Any], payload: str) -> Iterator[Event]:
        raise NotImplementedError

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[Event]:
        raise NotImplementedError

    def _rest(self) -> Iterator[Event]:
        """What was held back, before the reason of the end."""
        return iter(())

    def feed(self, data: bytes) -> Iterator[Event]:
        if self._head is not None and (not self._is_stream or len(self._head) < MAX_HEAD_BYTES):
            self._head += data
        if self._is_stream:
            for payload in self._decoder.feed(data):
                yield from self._payload(payload)

    def finish(self) -> Iterator[Event]:
        if self._is_stream:
            for payload in self._decoder.flush():
                yield from self._payload(payload)
        if self._head is not None:
            answer = read_object(bytes(self._head))
            self.is_ended = True
            yield from self._answer(answer)
        yield from self._rest()
        if self.failure is not None:
            raise self.failure
        if not self.has_content:
            raise InvalidAnswer("no content")
        if not self._is_finished and not self.is_ended:
            raise Incomplete("no end")
        if self.calls:
            yield from self._finish("stop")
        if self.state:
            yield self._kept_state()

    def _payload(self, payload: str) -> Iterator[Event]:
        if self.is_ended or not payload or payload.isspace():
            return
        self._size += len(payload)
        if self._size > MAX_ANSWER_CHARS:
            raise InvalidAnswer("the answer is too long")
        if payload[0] != "{" and payload.strip() == "[DONE]":
            self._head, self.is_ended = None, True
            return
        try:
            chunk = orjson.loads(payload)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            self._bad += 1
            if self._bad >= BAD_EVENTS_IN_A_ROW:
                raise InvalidAnswer("not JSON")
            return
        self._head, self._bad = None, 0
        error = error_in(chunk, payload)
        if error is not None:
            raise error
        yield from self._object(chunk, payload)

    def _finish(self, stated: str) -> Iterator[Event]:
        """The end, once: a second reason, or none, changes nothing."""
        if self._is_finished:
            return
        self._is_finished = True
        yield from self._rest()
        yield from self.calls.ends()
        reason = FINISH.get(stated, stated)
        yield Finish("tool_calls" if self.calls and reason == "stop" else reason, stated)

    def _kept_state(self) -> ProviderState:
        target = self.target
        if target is None:
            return ProviderState(self.kind, None, "", self.state)
        family = model_family(target.model_id)
        return ProviderState(target.kind, target.provider_id, family, self.state)
