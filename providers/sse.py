"""Server-sent events without IO: bytes in, data payloads out, whatever way they are cut.

Lines end at \\n, \\r\\n or \\r only. `str.splitlines` would also cut at U+2028 and others, which
models do write inside JSON.
"""

import codecs

from providers.errors import InvalidAnswer

MAX_EVENT_CHARS = 1_000_000
# An incremental decoder that waits for no further byte of a character.
NOTHING_HELD = (b"", 0)


class EventTooLong(InvalidAnswer, ValueError):
    """Nothing honest is this long: what it would fill is our memory."""


class LineDecoder:
    """`feed(bytes)` gives complete lines; `flush()` the rest."""

    def __init__(self) -> None:
        self._text = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._ended_in_cr = False
        self._is_start = True

    def feed(self, data: bytes) -> list[str]:
        return self._cut(self._text.decode(data))

    @property
    def is_between_lines(self) -> bool:
        return not self._rest and not self._ended_in_cr and self._text.getstate() == NOTHING_HELD

    def _cut(self, text: str) -> list[str]:
        if text and self._is_start:
            self._is_start = False
            text = text.removeprefix("\ufeff")
        if self._ended_in_cr and text.startswith("\n"):
            text = text[1:]
        if text:
            self._ended_in_cr = text.endswith("\r")
        pieces = (self._rest + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = pieces.pop()
        if len(self._rest) > MAX_EVENT_CHARS:
            raise EventTooLong("the line is too long")
        return pieces

    def flush(self) -> list[str]:
        lines = self._cut(self._text.decode(b"", final=True))
        if self._rest:
            lines.append(self._rest)
            self._rest = ""
        return lines


class EventDecoder:
    """`feed(bytes)` gives the data of complete events; comments and other fields are dropped."""

    MAX_EVENT_CHARS = MAX_EVENT_CHARS

    def __init__(self) -> None:
        self._lines = LineDecoder()
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[str]:
        return self._events(self._lines.feed(data))

    @property
    def is_between_events(self) -> bool:
        """Nothing of an event has been fed that is not whole yet."""
        return not self._data and self._lines.is_between_lines

    def flush(self) -> list[str]:
        """An event without its closing blank line counts: some servers just close."""
        return self._events([*self._lines.flush(), ""])

    def _events(self, lines: list[str]) -> list[str]:
        found = []
        for line in lines:
            if line.startswith("data:"):
                value = line[5:].removeprefix(" ")
                self._size += len(value)
                if self._size > self.MAX_EVENT_CHARS:
                    raise EventTooLong("the event is too long")
                self._data.append(value)
            elif not line and self._data:
                found.append("\n".join(self._data))
                self._data, self._size = [], 0
        return found
