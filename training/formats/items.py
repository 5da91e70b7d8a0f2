"""What a file is made of, whatever kind of file it is."""

from dataclasses import dataclass
from typing import Any

from training.formats.problems import Problem
from training.formats.splitting import MAX_RECORD_BYTES


@dataclass(frozen=True)
class Item:
    """A value of the file, or why there is none; `line` is where it starts. `unused` are columns
    that a mapping has left out; None: the layout decides."""

    line: int
    value: Any = None
    problem: Problem | None = None
    unused: frozenset[str] | None = None


def too_long() -> Problem:
    return Problem("too_long", limit_kb=MAX_RECORD_BYTES // 1024)
