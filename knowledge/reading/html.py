"""HTML pages: what a reader reads of them."""

import codecs
import re
from collections.abc import Iterator

from lxml import etree

from knowledge.reading import plain
from knowledge.reading.draft import Draft, one_line
from knowledge.reading.types import CODE, HEADING, HTML, LIST, PARAGRAPH, Parsed, Unreadable

DROPPED = {
    *("script", "style", "nav", "noscript", "template", "svg", "iframe", "object", "select"),
    *("button", "head", "math"),
}
HEADINGS = {f"h{level}": level for level in range(1, 7)}
LISTS = {"ul", "ol", "dl"}
INLINE = {
    *("a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font"),
    *("i", "img", "ins", "kbd", "label", "mark", "q", "rp", "rt", "ruby", "s", "samp", "small"),
    *("span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "br"),
}
CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{2,30})""", re.IGNORECASE)
LINE_BREAK = "\u2028"


def load(content: bytes) -> Parsed:
    text = _text_of(content)
    root = _root(text)
    if root is None:
        raise Unreadable("empty")
    draft = Draft(HTML)
    draft.title = root.findtext(".//title") or ""
    _Writing(draft).write(root)
    return draft.parsed()


def _root(text: str) -> etree._Element | None:
    parser = etree.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, huge_tree=True
    )
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable("broken") from error
    # Whatever follows would be left out without a word.
    if any("depth" in entry.message for entry in parser.error_log):
        raise Unreadable("broken")
    return root


def _text_of(content: bytes) -> str:
    said = CHARSET.search(content[:4096])
    if said:
        try:
            name = codecs.lookup(said[1].decode()).name
            # Pages that say GB2312 have letters of its successor.
            return plain.clean(content.decode("gb18030" if name in ("gb2312", "gbk") else name))
        except (LookupError, ValueError):
            pass
    return plain.text_of(content)


class _Writing:
    """`_said` is the text since the last block began or ended."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._said: list[str] = []
        self._items: list[str] = []
        self._lists = 0
        self._heading = 0

    def write(self, root: etree._Element) -> None:
        walker = etree.iterwalk(root, events=("start", "end"))
        for event, element in walker:
            tag = element.tag if isinstance(element.tag, str) else ""
            if event == "end":
                self._end(tag)
                self._said.append(element.tail or "")
            elif self._is_whole(tag, element):
                walker.skip_subtree()
            else:
                self._start(tag)
                self._said.append(element.text or "")
        self._flush()

    def _is_whole(self, tag: str, element: etree._Element) -> bool:
        """Whether nothing of it is left to walk through."""
        if tag in DROPPED:
            return True
        if tag == "pre":
            self._flush()
            self._draft.add(CODE, "".join(element.itertext()))
        elif tag == "table" and (rows := list(_rows(element))):
            self._flush()
            self._draft.add_table(rows)
        else:
            return False
        return True

    def _start(self, tag: str) -> None:
        if tag == "br":
            self._said.append(LINE_BREAK)
        elif tag and tag not in INLINE:
            self._flush()
            self._lists += tag in LISTS
            self._heading = HEADINGS.get(tag, self._heading)

    def _end(self, tag: str) -> None:
        if not tag or tag in INLINE or tag in DROPPED:
            return
        self._flush()
        if tag in HEADINGS:
            self._heading = 0
        if tag in LISTS:
            self._lists -= 1
            self._flush()

    def _flush(self) -> None:
        lines = map(one_line, "".join(self._said).split(LINE_BREAK))
        text = "\n".join(line for line in lines if line)
        self._said = []
        if text and self._lists and not self._heading:
            self._items.append(f"{'  ' * (self._lists - 1)}- {text}")
        elif text or not self._lists:
            self._draft.add(LIST, "\n".join(self._items))
            self._items = []
            self._draft.add(HEADING if self._heading else PARAGRAPH, text, self._heading)


def _rows(table: etree._Element) -> Iterator[list[str]]:
    """None for a table that only lays a page out: with one column, or another table in it."""
    if next(table.iterdescendants("table"), None) is not None:
        return
    rows = [[_cell(cell) for cell in row.iterchildren("td", "th")] for row in table.iter("tr")]
    if any(len(row) > 1 for row in rows):
        yield from rows


def _cell(cell: etree._Element) -> str:
    return " ".join(cell.itertext())
