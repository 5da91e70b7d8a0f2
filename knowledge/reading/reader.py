"""Reads files in a child process that is kept for many of them."""

import tempfile
from array import array
from pathlib import Path
from typing import Any

from knowledge.reading.limited import CPU_S, WALL_S, Child
from knowledge.reading.types import KINDS, Block, Note, Parsed

NUMBERS = 5


class Reader:
    """`with Reader() as reader: reader.read(path, name)`. For one thread."""

    def __init__(self, wall_s: float = WALL_S, cpu_s: int = CPU_S) -> None:
        self._child = Child(wall_s, cpu_s)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *error: object) -> None:
        self._child.stop()

    def read(self, path: Path, name: str) -> Parsed:
        """`name`: as the file was called, which tells kinds of text apart. Raises Unreadable."""
        with tempfile.TemporaryDirectory(prefix="reading-") as made:
            order = {"do": "read", "path": str(path.resolve()), "name": name, "into": made}
            return _parsed(self._child.ask(order), Path(made))


def _parsed(answer: dict[str, Any], folder: Path) -> Parsed:
    return Parsed(
        text=(folder / "text").read_bytes().decode(),
        blocks=_blocks(folder / "blocks"),
        pages=answer["pages"],
        title=answer["title"],
        notes=[Note(code, params) for code, params in answer["notes"]],
        media_type=answer["media_type"],
    )


def _blocks(path: Path) -> list[Block]:
    numbers = array("q")
    numbers.frombytes(path.read_bytes())
    rows = [iter(numbers)] * NUMBERS
    return [Block(KINDS[kind], *rest) for kind, *rest in zip(*rows, strict=True)]
