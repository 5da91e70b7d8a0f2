"""The report as Markdown."""

import re
from collections.abc import Iterable, Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from training.report_chapters import Chapter
from training.reports import Report

ESCAPED = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "`": "\\`", "*": "\\*", "_": "\\_"})


def _cell(value: object) -> str:
    return str(value).translate(ESCAPED)


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines] + [""]


def _section(title: str, facts: Sequence[tuple[str, object]]) -> list[str]:
    return [f"## {title}", "", *_table((" ", " "), facts)] if facts else []


def _block(text: object) -> str:
    """Whatever a model said, as a quotation that cannot become anything else."""
    return "\n".join(f"> {_line(line)}" for line in str(text).splitlines() or [""])


def _line(text: str) -> str:
    return re.sub(r"^(\s*)([#>+~=\-]|\d+[.)])", r"\1\\\2", _cell(text))


def _chapter(chapter: Chapter) -> list[str]:
    lines = [f"## {chapter.title}", ""]
    if chapter.facts:
        lines += _table((" ", " "), chapter.facts)
    if chapter.rows:
        lines += _table(chapter.head, chapter.rows)
    if chapter.sentences:
        lines += [*(f"- {_cell(sentence)}" for sentence in chapter.sentences), ""]
    if chapter.cases_title and chapter.cases:
        lines += [f"### {chapter.cases_title}", ""]
    for case in chapter.cases:
        lines += [f"**{_cell(case.title)}**", ""]
        for who, text in case.answers:
            lines += [f"{_cell(who)}:", "", _block(text), ""]
    return lines


def markdown_of(report: Report) -> str:
    at = timezone.localtime(report.made_at).strftime("%Y-%m-%d %H:%M %Z")
    lines = [f"# {_cell(report.job.name)}", "", _("Training report, %(at)s") % {"at": at}, ""]
    lines += _table((" ", " "), report.summary())
    lines += _section(_("Time"), report.times())
    lines += _table(report.attempt_head(), report.attempt_rows())
    lines += [*(f"- {sentence}" for sentence in report.proof), ""]
    lines += _section(_("Results"), report.results())
    lines += _section(_("Hardware"), report.hardware_rows())
    lines += [f"## {_('Curves')}", ""] if report.figures else []
    for figure in report.figures:
        shown = ", ".join(f"{line['name']} {line['last']}" for line in figure.lines)
        lines += [f"- {_cell(figure.title)}: {_cell(shown)}"]
    lines += [""]
    for chapter in report.chapters:
        lines += _chapter(chapter)
    lines += [f"## {_('Configuration')}", "", "~~~~~yaml", report.yaml.rstrip(), "~~~~~", ""]
    lines += _section(_("Versions"), list(report.versions.items()))
    return "\n".join(lines)
