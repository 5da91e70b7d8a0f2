"""A document for people: its chunks with the passage marked, its pages with the places of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.utils.html import format_html
from django.utils.safestring import SafeString

from knowledge.models import Chunk, Document
from knowledge.problems import explained
from knowledge.reading import pictures
from llmplatform.text import number_of

PDF = "application/pdf"
PICTURE_KEPT_S = 3600
WIDTH = 900

Range = tuple[int, int]


@dataclass(frozen=True)
class Shown:
    """A chunk of the page; `parts`: its text before, in and after the marked passage."""

    chunk: Chunk
    is_marked: bool
    html: SafeString


@dataclass(frozen=True)
class Sheet:
    """A page of a PDF. `places`: of the marked passage, in percent of the page: left, top, width,
    height."""

    number: int
    count: int
    places: Sequence[tuple[float, float, float, float]]

    @property
    def before(self) -> int:
        """0 where it is the first."""
        return self.number - 1

    @property
    def after(self) -> int:
        """0 where it is the last."""
        return self.number + 1 if self.number < self.count else 0


def marked_range(document: Document, start: str | None, end: str | None) -> Range | None:
    """What an address says; None where it says nothing that can be."""
    first, last = number_of(start or "", 10), number_of(end or "", 10)
    if first is None or last is None or not first < last <= document.characters:
        return None
    return first, last


def shown(chunks: Iterable[Chunk], marked: Range | None) -> list[Shown]:
    return [_shown(chunk, marked) for chunk in chunks]


def _shown(chunk: Chunk, marked: Range | None) -> Shown:
    if marked is None or chunk.end <= marked[0] or chunk.start >= marked[1]:
        return Shown(chunk, False, format_html("{}", chunk.text))
    # A table has its head repeated, and somebody may have written it otherwise.
    if chunk.is_edited or len(chunk.text) != chunk.end - chunk.start:
        return Shown(chunk, True, format_html("<mark>{}</mark>", chunk.text))
    first = max(0, marked[0] - chunk.start)
    last = min(len(chunk.text), marked[1] - chunk.start)
    html = format_html(
        "{}<mark>{}</mark>{}", chunk.text[:first], chunk.text[first:last], chunk.text[last:]
    )
    return Shown(chunk, True, html)


def sheet(
    document: Document, chunks: Sequence[Chunk], marked: Range | None, asked: str | None
) -> Sheet | None:
    """The page beside the chunks: the one asked for, else that of the passage; None if it has none.

    `asked` counts from 1, as `Chunk.page` does.
    """
    if document.media_type != PDF or not document.pages:
        return None
    number = number_of(asked or "", 6) or _page_of(document, chunks, marked)
    number = min(max(number, 1), document.pages)
    places = pictures.places(document.file, document.text_file, number, marked) if marked else ()
    return Sheet(number, document.pages, [_percent(place) for place in places])


def _page_of(document: Document, chunks: Sequence[Chunk], marked: Range | None) -> int:
    if marked is not None and document.text_file.exists():
        return pictures.page_of(document.text_file, marked[0])
    return next((chunk.page for chunk in chunks if chunk.page), 1)


def _percent(place: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    left, top, width, height = (round(100 * each, 2) for each in place)
    return left, top, width, height


def page_picture(document: Document, number: int, width: int) -> bytes | None:
    """PNG; None where there is no such page or it cannot be drawn."""
    if document.media_type != PDF or not 1 <= number <= document.pages:
        return None
    key = f"knowledge:page:{document.sha256}:{number}:{width}"
    known: bytes | None = cache.get(key)
    if known is None:
        known = pictures.drawn(document.file, number, width)
        if known is not None:
            cache.set(key, known, PICTURE_KEPT_S)
    return known


def problem(document: Document) -> str:
    if not document.error_code:
        return ""
    return explained(document.error_code, document.error_params)


def notes(document: Document) -> list[str]:
    return [explained(note["code"], note["params"]) for note in document.notes]
