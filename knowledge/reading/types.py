"""What reading makes of a file. No Django here nor in the loaders: they run in a child process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

PDF = "application/pdf"
HTML = "text/html"
MARKDOWN = "text/markdown"
PLAIN = "text/plain"
CSV = "text/csv"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

HEADING, PARAGRAPH, TABLE, CODE, LIST = KINDS = ("heading", "paragraph", "table", "code", "list")

# Between two pages; the form feed is nowhere else in the text.
PAGE_BREAK = "\n\f"

Params = Mapping[str, str | int]


class Block(NamedTuple):
    """A range of the text. `level`: of a heading, from 1; of a table, how many of its first lines
    are its head. `page`: from 1; 0 where the format has none."""

    kind: str
    level: int
    start: int
    end: int
    page: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """What a person should know of a document that was read all the same."""

    code: str
    params: Params = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Parsed:
    """`blocks` are in order and do not overlap; between them is only space. `pages`: where each
    begins, with a PAGE_BREAK before it but for the first."""

    text: str
    blocks: Sequence[Block]
    pages: Sequence[int] = ()
    title: str = ""
    notes: Sequence[Note] = ()
    media_type: str = PLAIN


class Unreadable(Exception):
    """A file that cannot be read, or may not be. `code`: see problems.py."""

    def __init__(self, code: str, params: Params | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.params = dict(params or {})
