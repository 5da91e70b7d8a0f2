"""Reading files that grow, from where the last reading ended."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BATCH_BYTES = 1_000_000
LINE_MAX_CHARS = 2_000
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")
# A progress bar as tqdm draws it: "Loading weights:  40%|####      | 2/5 [00:01<00:02, 1.9it/s]".
BAR = re.compile(r"^([^|]*?)\s*\d{1,3}%\|[^|]*\|\s*\S+/\S+ \[[^\]]*\]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def size_of(path: Path) -> int:
    """In bytes; 0 for what is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def whole_lines(path: Path, offset: int, *, is_ended: bool = False) -> tuple[bytes, int]:
    """Complete lines behind `offset`, and the offset behind them. `is_ended`: the rest, too."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(BATCH_BYTES)
    except FileNotFoundError:
        return b"", offset
    cut = data.rfind(b"\n") + 1
    if is_ended and len(data) < BATCH_BYTES:
        cut = len(data)
    elif cut == 0 and len(data) == BATCH_BYTES:  # a progress bar, or a line without an end
        cut = data.rfind(b"\r") + 1 or len(data)
    return data[:cut], offset + cut


def events(data: bytes) -> Iterator[dict[str, Any]]:
    """The events in whole lines; a torn line is passed over."""
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            yield event


def log_lines(data: bytes) -> list[str]:
    """As people read them: no colours, no overwritten progress bars, no control characters."""
    lines: list[str] = []
    last_title: str | None = None
    for raw in data.decode("utf-8", "replace").split("\n"):
        text = ANSI.sub("", raw.rstrip("\r"))
        text = CONTROL.sub("", text.rpartition("\r")[2])
        bar = BAR.match(text)
        if bar and (rest := text[bar.end() :].strip()):  # words that ran into the bar
            text, bar = rest, None
        title = bar[1] if bar else None
        if title is not None and title == last_title:
            lines[-1] = text[:LINE_MAX_CHARS]  # the same bar, further on
        else:
            lines.append(text[:LINE_MAX_CHARS])
        last_title = title
    if lines and not lines[-1]:
        lines.pop()
    return lines
