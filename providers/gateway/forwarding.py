"""Streams on their way to the caller, without IO: bytes in, bytes out.

In the caller's own dialect they are passed on and read in passing (ForwardedEvents); those of
another one are taken apart and made anew (Translated).
"""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import orjson

from providers.adapters.base import AnswerReader
from providers.adapters.reading import BAD_EVENTS_IN_A_ROW
from providers.errors import InvalidAnswer, ProviderError, Unavailable, error_in
from providers.gateway.records import Call
from providers.sse import EventDecoder
from providers.types import Event


class Outgoing(Protocol):
    """`feed` gives the bytes to pass on; `finish` the rest, or raises when there was no end.

    `failure` is an error inside the stream, found after what was last given: nothing may be fed
    after it. `is_over`: the provider has said that nothing more comes. `word_in_chunk` gives the
    text, in UTF-8, of a chunk of HTTP that may go to the caller as it is, and nothing for all else.
    """

    failure: ProviderError | None
    word_in_chunk: Callable[[bytes], bytes] | None

    @property
    def is_over(self) -> bool: ...

    def feed(self, data: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


class ForwardedEvents:
    """A line without end raises at once. A dialect says what one object means."""

    END_MARK = ""
    word_in_chunk: Callable[[bytes], bytes] | None = None

    def __init__(self, call: Call) -> None:
        self.failure: ProviderError | None = None
        self._call = call
        self._decoder = EventDecoder()
        self._bad = 0
        self.is_over = self._is_begun = self._has_end = False

    def _object(self, chunk: dict[str, Any], payload: str) -> bytes | None:
        """What is passed on of an event; None where it is none of this dialect's."""
        raise NotImplementedError

    def feed(self, data: bytes) -> bytes:
        return self._events(self._decoder.feed(data))

    def finish(self) -> bytes:
        rest = self._events(self._decoder.flush())
        if self.failure is not None:
            raise self.failure
        if not self._is_begun:
            raise InvalidAnswer("no answer")
        if not self._has_end and not self.is_over:
            raise Unavailable("the stream was cut")
        return rest

    def unstreamed(self, body: bytes) -> ProviderError:
        """What a page or a plain JSON object means where a stream was promised: an error, if it
        names one."""
        in_a_line = body.replace(b"\r", b" ").replace(b"\n", b" ")
        self.feed(b"data: " + in_a_line + b"\n\n")
        return self.failure or InvalidAnswer("not a stream")

    def _events(self, payloads: list[str]) -> bytes:
        found = []
        for payload in payloads:
            if self.is_over:
                break
            try:
                found.append(self._event(payload))
            except ProviderError as error:
                self.failure = error
                break
        return b"".join(found)

    def _event(self, payload: str) -> bytes:
        if self.END_MARK and payload.strip() == self.END_MARK:
            self.is_over = True
            return b""
        try:
            chunk = orjson.loads(payload)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            return self._skip(payload)
        error = error_in(chunk, payload)
        if error is not None:
            raise error
        piece = self._object(chunk, payload)
        if piece is None:
            return self._skip(payload)
        self._bad = 0
        return piece

    def _skip(self, payload: str) -> bytes:
        self._bad += bool(payload.strip())
        if self._bad >= BAD_EVENTS_IN_A_ROW:
            raise InvalidAnswer("not JSON")
        return b""


class ComposedEvents(Protocol):
    """The caller's dialect: `start`, then a piece for each event, then `finish`."""

    def start(self) -> bytes: ...

    def feed(self, found: Event) -> bytes: ...

    def finish(self) -> bytes: ...


class Translated:
    word_in_chunk: Callable[[bytes], bytes] | None = None

    def __init__(self, reader: AnswerReader, composed: ComposedEvents) -> None:
        self.failure: ProviderError | None = None
        self._reader = reader
        self._composed = composed
        self._start = composed.start()

    @property
    def is_over(self) -> bool:
        return self._reader.is_ended

    def feed(self, data: bytes) -> bytes:
        return self.take(self._reader.feed(data))

    def take(self, events: Iterable[Event]) -> bytes:
        """What comes before an error is passed on, too."""
        pieces = [self._start]
        try:
            for event in events:
                pieces.append(self._composed.feed(event))
        except ProviderError as error:
            self.failure = error
        if len(pieces) == 1:
            return b""  # nothing is begun before an answer begins
        self._start = b""
        return b"".join(pieces)

    def finish(self) -> bytes:
        rest = self.take(self._reader.finish())
        if self.failure is not None:
            return rest
        start, self._start = self._start, b""
        return rest + start + self._composed.finish()


def in_one_line(payload: str) -> str:
    """JSON has no bare line breaks, but a provider may indent it."""
    return payload if "\n" not in payload else payload.replace("\n", " ")


def read_answer(body: bytes) -> dict[str, Any]:
    """The object of a whole answer. Raises ProviderError, also for an error in an answer of 200."""
    try:
        answer = orjson.loads(body)
    except ValueError as error:
        raise InvalidAnswer("not JSON") from error
    if not isinstance(answer, dict):
        raise InvalidAnswer("not an object")
    found = error_in(answer, body)
    if found is not None:
        raise found
    return answer
