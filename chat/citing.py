"""An answer's sources for people: the list under it, and the numbers in its text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from chat.marking import UNSUPPORTED
from chat.models import Message, MessageSource
from chat.rendering import render
from knowledge import services as knowledge
from knowledge.types import Remark

EXCERPT_CHARS = 220
_CITE = re.compile(r'<span class="cite-(\d{1,3})"></span>')
_CLAIM = f'<span class="{UNSUPPORTED}">'


def cited(content: str, count: int) -> set[int]:
    """The numbers that the page shows in this answer, of `count` sources."""
    return {int(number) for number in _CITE.findall(render(content, count))}


@dataclass(frozen=True)
class ShownSource:
    """`url`: the passage in its document; empty where the reader cannot open that."""

    row: MessageSource
    url: str

    @property
    def anchor(self) -> str:
        return f"source-{self.row.message_id}-{self.row.number}"

    @property
    def place(self) -> str:
        """Where in the document."""
        page = _("page %(page)s") % {"page": self.row.page} if self.row.page else ""
        return " · ".join(part for part in (page, " / ".join(map(str, self.row.headings))) if part)

    @property
    def excerpt(self) -> str:
        return Truncator(" ".join(self.row.text.split())).chars(EXCERPT_CHARS)

    @property
    def title(self) -> str:
        page = _("page %(page)s") % {"page": self.row.page} if self.row.page else ""
        return ", ".join(part for part in (self.row.document_name, page) if part)


def sources_of(message: Message, reader_id: int | None) -> list[ShownSource]:
    """Those of an answer, in the order of their numbers."""
    if message.is_question:
        return []
    return [ShownSource(row, _url(row, reader_id)) for row in message.sources.all()]


def _url(row: MessageSource, reader_id: int | None) -> str:
    base = row.base
    if base is None or row.document_id is None or not base.is_readable_by(reader_id):
        return ""
    where = f"?{urlencode({'start': row.start, 'end': row.end})}" if row.end else ""
    return reverse("knowledge:document", args=[row.document_id]) + where


def drawn(html: str, sources: Sequence[ShownSource]) -> str:
    """What `render` made, its numbers as links."""
    if not sources:
        return html
    by_number = {source.row.number: source for source in sources}
    explained = f'<span class="{UNSUPPORTED}" title="{escape(_("Not found in the sources"))}">'
    linked = _CITE.sub(lambda found: _link(by_number.get(int(found[1]))), html)
    return linked.replace(_CLAIM, explained)


def _link(source: ShownSource | None) -> str:
    if source is None:
        return ""
    number, title = source.row.number, escape(source.title)
    named = escape(_("Source %(number)s") % {"number": number})
    opens = ' target="_blank" rel="noopener"' if source.url else ""
    address = escape(source.url or f"#{source.anchor}")
    return (
        f'<sup class="cite"><a href="{address}"{opens} title="{title}"'
        f' aria-label="{named}: {title}" data-cite="{number}">{number}</a></sup>'
    )


def remarks_of(message: Message) -> list[str]:
    """What could not be done for it, as sentences."""
    return [said(remark) for remark in message.remarks]


def said(remark: Mapping[str, Any]) -> str:
    code = remark["code"]
    if code == "nothing_found":
        return _("No basis found in the knowledge bases.")
    if code == "no_room":
        return _("The model's context has no room for passages; this answer has no sources.")
    if code == "not_searched":
        return _("The knowledge bases could not be searched in time; this answer has no sources.")
    return knowledge.told(Remark(code, remark["base_name"], remark["params"]))
