"""Pages of PDFs for people, made in a child process of their own."""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knowledge.reading.limited import Child
from knowledge.reading.types import PAGE_BREAK, Unreadable

logger = logging.getLogger(__name__)

# Somebody waits for it.
WALL_S = 20.0

Place = tuple[float, float, float, float]


def drawn(path: Path, page: int, width: int) -> bytes | None:
    """PNG of `page`, which counts from 1, `width` pixels wide; None where it cannot be drawn."""
    with tempfile.TemporaryDirectory(prefix="drawing-") as made:
        into = Path(made) / "page.png"
        order = {"do": "draw", "page": page, "width": width, "into": str(into)}
        return into.read_bytes() if _done(path, order) is not None else None


def page_of(text_file: Path, offset: int) -> int:
    """On which page, from 1, the character `offset` of the document's text is."""
    with text_file.open(encoding="utf-8", newline="") as file:
        return file.read(offset).count(PAGE_BREAK) + 1


def places(path: Path, text_file: Path, page: int, marked: tuple[int, int]) -> list[Place]:
    """Where on `page` the characters `marked` of the document's text are: left, top, width and
    height of each line, as parts of the page."""
    with text_file.open(encoding="utf-8", newline="") as file:
        texts = file.read().split(PAGE_BREAK)
    if not 1 <= page <= len(texts):
        return []
    begin = sum(len(text) + len(PAGE_BREAK) for text in texts[: page - 1])
    start, end = max(0, marked[0] - begin), min(len(texts[page - 1]), marked[1] - begin)
    if start >= end:
        return []
    found = _done(path, {"do": "places", "page": page, "start": start, "end": end})
    return [(left, top, width, height) for left, top, width, height in found or ()]


def _done(path: Path, order: dict[str, Any]) -> Any:
    """None where it failed."""
    with _child() as child:
        try:
            return child.ask({**order, "path": str(path.resolve())})
        except Unreadable as problem:
            logger.warning("page %s cannot be shown: %s", order["page"], problem.code)
            return None


@contextmanager
def _child() -> Iterator[Child]:
    child = Child(WALL_S)
    try:
        yield child
    finally:
        child.stop()
