"""Word documents (docx), from their parts: WordprocessingML of ECMA-376."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from knowledge.reading import archives
from knowledge.reading.draft import Draft
from knowledge.reading.types import DOCX, HEADING, LIST, PARAGRAPH, Parsed, Unreadable

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
# What saves as "strict" has other names for the same.
STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
TITLE = "{http://purl.org/dc/elements/1.1/}title"
MAIN = "word/document.xml"
STYLE_NAME = re.compile(r"heading ([1-9])$", re.IGNORECASE)
TURNED = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
# Each refers to another one; no real chain is longer.
MAX_STYLES = 20


@dataclass(frozen=True, slots=True)
class Style:
    level: int = 0
    is_list: bool = False
    based_on: str = ""


def load(path: Path) -> Parsed:
    with archives.opened(path) as archive:
        root = archives.xml(archive, MAIN)
        if root is None:
            raise Unreadable("broken")
        draft = Draft(DOCX)
        writing = _Writing(draft, _styles(archive), W if root.tag.startswith(W) else STRICT)
        writing.write(root)
        notes = archives.xml(archive, "word/footnotes.xml")
        if notes is not None:
            writing.write(notes)
        draft.title = _title(archive)
    return draft.parsed()


def _title(archive: zipfile.ZipFile) -> str:
    core = archives.xml(archive, "docProps/core.xml")
    return (core.findtext(TITLE) or "") if core is not None else ""


def _styles(archive: zipfile.ZipFile) -> dict[str, Style]:
    root = archives.xml(archive, "word/styles.xml")
    if root is None:
        return {}
    w = W if root.tag.startswith(W) else STRICT
    return {style.get(f"{w}styleId", ""): _style(style, w) for style in root.iter(f"{w}style")}


def _style(style: etree._Element, w: str) -> Style:
    based = style.find(f"{w}basedOn")
    name = style.find(f"{w}name")
    said = name.get(f"{w}val", "") if name is not None else ""
    named = STYLE_NAME.match(said)
    level = int(named[1]) if named else 1 if said.lower() == "title" else 0
    properties = style.find(f"{w}pPr")
    return Style(
        level or _outline_level(properties, w),
        properties is not None and properties.find(f"{w}numPr") is not None,
        based.get(f"{w}val", "") if based is not None else "",
    )


def _outline_level(properties: etree._Element | None, w: str) -> int:
    """From 1; 0 for body text, which Word writes as nothing or as 9."""
    found = properties.find(f"{w}outlineLvl") if properties is not None else None
    said = found.get(f"{w}val", "") if found is not None else ""
    return int(said) + 1 if said in set("012345678") else 0


class _Writing:
    def __init__(self, draft: Draft, styles: dict[str, Style], w: str) -> None:
        self._draft = draft
        self._styles = styles
        self._w = w
        self._list: list[str] = []

    def write(self, root: etree._Element) -> None:
        for element in self._parts(root):
            if element.tag == f"{self._w}tbl":
                self._end_list()
                self._draft.add_table(list(self._rows(element)))
            else:
                self._paragraph(element)
        self._end_list()

    def _parts(self, container: etree._Element) -> Iterator[etree._Element]:
        """Its paragraphs and tables, also those in content controls and text boxes."""
        walker = etree.iterwalk(container, events=("start",))
        for _event, element in walker:
            if element.tag == FALLBACK:
                walker.skip_subtree()
            elif element.tag == f"{self._w}tbl":
                yield element
                walker.skip_subtree()
            elif element.tag == f"{self._w}p":
                yield element

    def _paragraph(self, paragraph: etree._Element) -> None:
        text = self._text(paragraph)
        if not text.strip():
            return
        properties = paragraph.find(f"{self._w}pPr")
        level, is_list = self._look(properties)
        if is_list and not level:
            self._list.append(f"{'  ' * self._depth(properties)}- {text.strip()}")
            return
        self._end_list()
        kind = HEADING if level else PARAGRAPH
        self._draft.add(kind, " ".join(text.split()) if level else text, level)

    def _end_list(self) -> None:
        self._draft.add(LIST, "\n".join(self._list))
        self._list = []

    def _look(self, properties: etree._Element | None) -> tuple[int, bool]:
        """Heading level (0: none) and whether it is an item of a list."""
        level = _outline_level(properties, self._w)
        is_list = properties is not None and properties.find(f"{self._w}numPr") is not None
        named = properties.find(f"{self._w}pStyle") if properties is not None else None
        style_id = named.get(f"{self._w}val", "") if named is not None else ""
        for _step in range(MAX_STYLES):
            style = self._styles.get(style_id)
            if style is None:
                break
            level, is_list = level or style.level, is_list or style.is_list
            style_id = style.based_on
        return level, is_list

    def _depth(self, properties: etree._Element | None) -> int:
        found = properties.find(f"{self._w}numPr/{self._w}ilvl") if properties is not None else None
        said = found.get(f"{self._w}val", "") if found is not None else ""
        return int(said) if said in set("012345678") else 0

    def _text(self, paragraph: etree._Element) -> str:
        """Without what text boxes in it hold, which are paragraphs of their own."""
        parts: list[str] = []
        walker = etree.iterwalk(paragraph, events=("start",))
        for _event, element in walker:
            if element.tag in (FALLBACK, f"{self._w}txbxContent", f"{self._w}pPr"):
                walker.skip_subtree()
            elif element.tag == f"{self._w}t":
                parts.append(element.text or "")
            elif isinstance(element.tag, str) and element.tag.startswith(self._w):
                parts.append(TURNED.get(element.tag.removeprefix(self._w), ""))
        return "".join(parts)

    def _rows(self, table: etree._Element) -> Iterator[list[str]]:
        """A cell that goes on from the row above says the same again."""
        above: list[str] = []
        for row in table.iterfind(f"{self._w}tr"):
            cells: list[str] = []
            for cell in row.iterfind(f"{self._w}tc"):
                goes_on = self._goes_on(cell) and len(cells) < len(above)
                cells.append(above[len(cells)] if goes_on else self._cell(cell))
            yield cells
            above = cells

    def _goes_on(self, cell: etree._Element) -> bool:
        merged = cell.find(f"{self._w}tcPr/{self._w}vMerge")
        return merged is not None and merged.get(f"{self._w}val", "continue") == "continue"

    def _cell(self, cell: etree._Element) -> str:
        return " ".join(self._text(each) for each in cell.iter(f"{self._w}p"))
