"""The report as PDF, in pure Python. Chinese is set in a font that PDF readers bring themselves
(Adobe's STSong-Light), so that nothing need be installed where the platform runs."""

import io
import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from django.utils import timezone
from django.utils.translation import gettext as _
from reportlab.graphics.shapes import Drawing, Line, PolyLine, String
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus.doctemplate import SimpleDocTemplate
from reportlab.platypus.flowables import Flowable, Preformatted, Spacer
from reportlab.platypus.paragraph import Paragraph
from reportlab.platypus.tables import Table, TableStyle

from training.curves import Figure
from training.report_chapters import Chapter
from training.reports import Report

LATIN, MONO, CHINESE = "Helvetica", "Courier", "STSong-Light"
# Whatever Helvetica cannot show.
FOREIGN = re.compile("[^\x00-\xff–]+")
# The Chinese font has no minus sign.
PLAIN = str.maketrans({"−": "-"})
INK, SOFT, LINE = colors.HexColor("#1a1b22"), colors.HexColor("#565969"), colors.HexColor("#d5d6df")
SERIES = (colors.HexColor("#5046d8"), colors.HexColor("#c2410c"), colors.HexColor("#0f766e"))
MARGIN, FRAME_PADDING = 20 * mm, 6
WIDTH = A4[0] - 2 * MARGIN - 2 * FRAME_PADDING
CODE_COLUMNS = 92

pdfmetrics.registerFont(UnicodeCIDFont(CHINESE))

BODY = ParagraphStyle("body", fontName=LATIN, fontSize=9.5, leading=14, textColor=INK)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=8.5, leading=12, textColor=SOFT)
TITLE = ParagraphStyle("title", parent=BODY, fontSize=18, leading=24)
HEADING = ParagraphStyle(
    "heading", parent=BODY, fontSize=12, leading=18, spaceBefore=10, keepWithNext=1
)
CAPTION = ParagraphStyle("caption", parent=SMALL, keepWithNext=1)
SUBHEADING = ParagraphStyle(
    "subheading", parent=BODY, fontSize=10, leading=16, spaceBefore=6, keepWithNext=1
)
QUESTION = ParagraphStyle("question", parent=BODY, spaceBefore=6, keepWithNext=1)
ANSWER = ParagraphStyle("answer", parent=SMALL, leftIndent=10, spaceBefore=2)
CODE = ParagraphStyle("code", parent=BODY, fontName=MONO, fontSize=7.5, leading=10)


def _mixed(text: object) -> str:
    """Escaped, with what is not Latin in the Chinese font."""
    marked = escape(str(text).translate(PLAIN)).replace("\n", "<br/>")
    return FOREIGN.sub(lambda found: f'<font name="{CHINESE}">{found[0]}</font>', marked)


def _text(text: object, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(_mixed(text), style)


def _table(rows: Sequence[Sequence[object]], widths: Sequence[float], head: bool) -> Table:
    cells = [
        [_text(cell, SMALL if head and i == 0 else BODY) for cell in row]
        for i, row in enumerate(rows)
    ]
    style: list[Any] = [
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), 3),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
    ]
    return Table(cells, colWidths=list(widths), style=TableStyle(style), repeatRows=int(head))


def _facts(rows: Sequence[tuple[str, object]]) -> Table:
    return _table(rows, (50 * mm, WIDTH - 50 * mm), head=False)


def _drawing(figure: Figure) -> Drawing:
    """The same paths as the page's figure; PDF's y axis points up."""
    scale = WIDTH / figure.width
    drawing = Drawing(WIDTH, figure.height * scale)
    for mark in figure.y_marks:
        y = (figure.height - mark["y"]) * scale
        drawing.add(Line(52 * scale, y, WIDTH - 10 * scale, y, strokeColor=LINE, strokeWidth=0.4))
        label = String(48 * scale, y - 2, mark["text"], fontName=LATIN, fontSize=6.5)
        label.textAnchor, label.fillColor = "end", SOFT
        drawing.add(label)
    for mark in figure.x_marks:
        label = String(mark["x"] * scale, 2, mark["text"], fontName=LATIN, fontSize=6.5)
        label.textAnchor = "start" if mark is figure.x_marks[0] else "end"
        label.fillColor = SOFT
        drawing.add(label)
    for i, line in enumerate(figure.lines):
        points = [float(part) for part in re.findall(r"[\d.]+", line["d"])]
        placed = [
            value * scale if j % 2 == 0 else (figure.height - value) * scale
            for j, value in enumerate(points)
        ]
        if len(placed) >= 4:
            color = SERIES[i % len(SERIES)]
            drawing.add(PolyLine(placed, strokeColor=color, strokeWidth=1.1))
    return drawing


def _figures(report: Report) -> list[Flowable]:
    found: list[Flowable] = []
    for figure in report.figures:
        names = ", ".join(f"{line['name']} {line['last']}" for line in figure.lines)
        found += [_text(f"{figure.title}: {names}", CAPTION), _drawing(figure), Spacer(1, 6)]
    return found


def _attempts(report: Report) -> Table:
    share = WIDTH / 5
    return _table([report.attempt_head(), *report.attempt_rows()], (share,) * 5, head=True)


def _code(text: str) -> list[Flowable]:
    """Preformatted cannot mix fonts: lines with other scripts become paragraphs."""
    found: list[Flowable] = []
    for line in text.splitlines():
        if FOREIGN.search(line):
            found.append(Paragraph(_mixed(line), CODE))
        else:
            found.append(Preformatted(line, CODE, maxLineLength=CODE_COLUMNS))
    return found


def _chapter(chapter: Chapter) -> list[Flowable]:
    found: list[Flowable] = []
    if chapter.facts:
        found += [_facts(chapter.facts), Spacer(1, 6)]
    if chapter.rows:
        share = WIDTH / len(chapter.head)
        widths = (share,) * len(chapter.head)
        found += [_table([chapter.head, *chapter.rows], widths, head=True), Spacer(1, 6)]
    found += [_text(sentence, SMALL) for sentence in chapter.sentences]
    if chapter.cases_title and chapter.cases:
        found.append(_text(chapter.cases_title, SUBHEADING))
    for case in chapter.cases:
        found.append(_text(case.title, QUESTION))
        found += [_text(f"{who}: {text}", ANSWER) for who, text in case.answers]
    return found


def pdf_of(report: Report) -> bytes:
    story: list[Flowable] = [
        _text(report.job.name, TITLE),
        _text(
            _("Training report, %(at)s")
            % {"at": timezone.localtime(report.made_at).strftime("%Y-%m-%d %H:%M %Z")},
            SMALL,
        ),
        Spacer(1, 8),
        _facts(report.summary()),
        _text(_("Time"), HEADING),
        _facts(report.times()),
        Spacer(1, 6),
        _attempts(report),
        Spacer(1, 4),
        *(_text(sentence, SMALL) for sentence in report.proof),
    ]
    sections: tuple[tuple[str, list[Flowable]], ...] = (
        (_("Results"), [_facts(rows)] if (rows := report.results()) else []),
        (_("Curves"), _figures(report)),
        (_("Hardware"), [_facts(rows)] if (rows := report.hardware_rows()) else []),
        *((chapter.title, _chapter(chapter)) for chapter in report.chapters),
        (_("Configuration"), _code(report.yaml)),
        (_("Versions"), [_facts(list(report.versions.items()))] if report.versions else []),
    )
    for title, flowables in sections:
        if flowables:
            story += [_text(title, HEADING), *flowables]
    target = io.BytesIO()
    SimpleDocTemplate(
        target,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=report.job.name,
        author="",
    ).build(story)
    return target.getvalue()
