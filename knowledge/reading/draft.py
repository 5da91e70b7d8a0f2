"""A document's text as a loader puts it together, block by block."""

from collections.abc import Sequence

from knowledge.reading.plain import clean
from knowledge.reading.types import TABLE, Block, Note, Parsed

GAP = "\n\n"


class Draft:
    def __init__(self, media_type: str) -> None:
        self.title = ""
        self._media_type = media_type
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._at = 0

    def add(self, kind: str, text: str, level: int = 0) -> None:
        """Nothing where there is only space."""
        text = clean(text).strip("\n") if text.strip() else ""
        if not text:
            return
        if self._parts:
            self._parts.append(GAP)
            self._at += len(GAP)
        self._parts.append(text)
        start = self._at + len(text) - len(text.lstrip())
        self._at += len(text)
        self._blocks.append(Block(kind, level, start, self._at - len(text) + len(text.rstrip())))

    def add_table(self, rows: Sequence[Sequence[str]]) -> None:
        """The first row is its head, if there is another."""
        kept = [row for row in rows if any(row)]
        if not kept:
            return
        lines = [_line(row) for row in kept]
        if len(kept) > 1:
            lines.insert(1, _line(["---"] * len(kept[0])))
        self.add(TABLE, "\n".join(lines), level=2 if len(kept) > 1 else 0)

    def parsed(self, notes: Sequence[Note] = ()) -> Parsed:
        title = " ".join(self.title.split())
        return Parsed("".join(self._parts), self._blocks, (), title, notes, self._media_type)


def one_line(text: str) -> str:
    return " ".join(text.split())


def _line(cells: Sequence[str]) -> str:
    said = (one_line(cell).replace("|", "\\|") for cell in cells)
    return f"| {' | '.join(said)} |"
