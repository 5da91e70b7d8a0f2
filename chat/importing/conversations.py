"""What every source is made into before it is written. Pure values."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chat.importing.enclosures import Enclosure
from llmplatform.text import UNSTORABLE

# What a database column and a page can take of one message.
CONTENT_MAX_CHARS = 1_000_000
MAX_MESSAGES = 20_000
USER, ASSISTANT = "user", "assistant"


class Skipped(Exception):
    """One conversation that cannot be taken; `code` is explained in texts.py."""

    def __init__(self, code: str, title: str = "", **values: Any) -> None:
        super().__init__(code)
        self.code, self.title, self.values = code, title, values


@dataclass
class Said:
    """A question or an answer. `parent` is the key of another, or None for a first question."""

    key: str
    parent: str | None
    role: str
    content: str
    thinking: str = ""
    thinking_ms: int | None = None
    at: datetime | None = None
    model: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    files: list[Enclosure] = field(default_factory=list)


@dataclass
class Conversation:
    """`messages` come parents first. `shown` is the key of the leaf that was shown. `left_out`
    counts what does not come along: images, files, tools; `enclosed`, which files do."""

    source: str
    key: str
    title: str
    messages: list[Said]
    shown: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    system_prompt: str = ""
    is_pinned: bool = False
    is_archived: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    enclosed: int = 0

    @property
    def model(self) -> str:
        """What answered last."""
        return next((said.model for said in reversed(self.messages) if said.model), "")


def text_of(value: Any) -> str:
    """What a database can keep of it; empty for what is no text."""
    text = value if isinstance(value, str) else ""
    return UNSTORABLE.sub("", text)[:CONTENT_MAX_CHARS]


def line_of(value: Any) -> str:
    """For titles and names."""
    return " ".join(text_of(value).split())[:200]


def mapping_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def list_of(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def count_of(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value < 2**31 else None


def time_of(value: Any) -> datetime | None:
    """Of seconds, milliseconds or nanoseconds since 1970, or of ISO 8601; None for anything else,
    and for times before 1990 or in the future of anybody who reads this."""
    found = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        if not 0 < value < 1e20:  # never infinity, which JSON can say
            return None
        seconds = float(value)
        while seconds > 1e11:
            seconds /= 1000
        try:
            found = datetime.fromtimestamp(seconds, UTC)
        except (ValueError, OverflowError, OSError):
            return None
    elif isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found if found is not None and 1990 <= found.year <= 2100 else None


def in_order(said: Iterable[Said]) -> list[Said]:
    """Parents first; what hangs below nothing that exists begins a conversation, and of a circle
    nothing is left."""
    by_key = {each.key: each for each in said}
    children: dict[str | None, list[Said]] = {}
    for each in by_key.values():
        if each.parent not in by_key:
            each.parent = None
        children.setdefault(each.parent, []).append(each)
    found: list[Said] = []
    waiting = list(reversed(children.get(None, [])))
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += reversed(children.get(each.key, []))
    return found


def joined(messages: list[Said], shown: str | None) -> tuple[list[Said], str | None]:
    """Answers in several pieces, one after the other, as one; and the leaf that is shown then."""
    sole = Counter(each.parent for each in messages)
    by_key: dict[str, Said] = {}
    now: dict[str, str] = {}
    for each in messages:
        parent = by_key.get(now.get(each.parent or "", ""))
        if parent and parent.role == each.role == ASSISTANT and sole[each.parent] == 1:
            parent.content = "\n\n".join(filter(None, (parent.content, each.content)))
            parent.thinking = "\n\n".join(filter(None, (parent.thinking, each.thinking)))
            parent.thinking_ms = parent.thinking_ms or each.thinking_ms
            parent.model = parent.model or each.model
            now[each.key] = parent.key
        else:
            each.parent = parent.key if parent else None
            by_key[each.key], now[each.key] = each, each.key
    return list(by_key.values()), now.get(shown or "")
