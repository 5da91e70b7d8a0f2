"""Plain text for continued pre-training: one `text` a record."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.formats.fields import filled_text
from training.formats.layouts import Record, Turn


@dataclass(frozen=True)
class Text:
    format: str = "text"
    expected: str = "text"
    used: frozenset[str] = frozenset({"text"})

    def fits(self, record: Record) -> bool:
        return "text" in record

    def clean(self, record: Record) -> dict[str, Any]:
        return {"text": filled_text(record, "text")}

    def entry(self, *, has_history: bool, has_images: bool = False) -> dict[str, Any]:
        return {"formatting": "alpaca", "columns": {"prompt": "text"}}

    def turns(self, record: Record) -> Iterator[Turn]:
        yield Turn("text", record["text"])
