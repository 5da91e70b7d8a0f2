"""Splits `<think>…</think>` from the answer while it streams, tags cut anywhere. Without IO."""

from providers.types import TextDelta, ThinkingDelta

CLOSE = {
    **{"<think>": "</think>", "<thinking>": "</thinking>", "<thought>": "</thought>"},
    **{"<mm:think>": "</mm:think>", "<seed:think>": "</seed:think>", "[THINK]": "[/THINK]"},
}
OPEN = tuple(CLOSE)


class ThinkSplitter:
    """Only a tag at the very start of the answer opens a thought: elsewhere it is content.

    `starts_inside`: the opening tag stood in the prompt, so all is thought up to `</think>`.
    """

    def __init__(self, *, starts_inside: bool = False) -> None:
        self._starts_inside = starts_inside
        self._held = ""
        self._close = ""
        self._is_open_possible = True
        self._trim = False

    def feed(self, text: str) -> list[TextDelta | ThinkingDelta]:
        self._held += text
        found: list[TextDelta | ThinkingDelta] = []
        if self._is_open_possible and not self._try_open():
            return found
        if self._close:
            found += self._inside()
        if not self._close and self._held:
            found += self._outside()
        return found

    def _try_open(self) -> bool:
        """Whether it is decided if the answer starts with a thought."""
        start = self._held.lstrip()
        tag = next((tag for tag in OPEN if start.startswith(tag)), None)
        if tag:
            self._close, self._trim = CLOSE[tag], True
            self._held = start[len(tag) :]
        elif not start or any(tag.startswith(start) for tag in OPEN):
            return False
        elif self._starts_inside:
            self._close, self._trim = "</think>", True
        self._is_open_possible = False
        return True

    def _inside(self) -> list[TextDelta | ThinkingDelta]:
        at = self._held.find(self._close)
        end = at if at >= 0 else len(self._held) - _tail(self._held, self._close)
        thought = self._trimmed(self._held[:end])
        self._held = self._held[end:]
        if at >= 0:
            self._held = self._held[len(self._close) :]
            self._close, self._trim = "", True
        return [ThinkingDelta(thought)] if thought else []

    def _outside(self) -> list[TextDelta | ThinkingDelta]:
        text = self._trimmed(self._held)
        self._held = ""
        return [TextDelta(text)] if text else []

    def _trimmed(self, text: str) -> str:
        """Without the white space that follows a tag; U+2028 and its like are content."""
        if self._trim:
            text = text.lstrip(" \t\r\n")
            self._trim = not text
        return text

    def flush(self) -> list[TextDelta | ThinkingDelta]:
        text, self._held = self._held, ""
        if not text:
            return []
        return [ThinkingDelta(text)] if self._close else [TextDelta(text)]


def _tail(text: str, tag: str) -> int:
    """How many characters at the end of `text` could begin `tag`."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-length:]):
            return length
    return 0
