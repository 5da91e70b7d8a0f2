"""The report as Markdown."""

from collections.abc import Iterable, Sequence

from django.utils import timezone
from django.utils.translation import gettext as _

from training.reports import Report

ESCAPED = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", "`": "\\`", "*": "\\*", "_": "\\_"})


def _cell(value: object) -> str:
    return str(value).translate(ESCAPED)


def _table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines] + [""]


def _section(title: str, facts: Sequence[tuple[str, object]]) -> list[str]:
    return [f"## {title}", "", *_table((" ", " "), facts)] if facts else []


def markdown_of(report: Report) -> str:
    at = timezone.localtime(report.made_at).strftime("%Y-%m-%d %H:%M %Z")
    lines = [f"# {_cell(report.job.name)}", "", _("Training report, %(at)s") % {"at": at}, ""]
    lines += _table((" ", " "), report.summary())
    lines += _section(_("Time"), report.times())
    lines += _table(report.attempt_head(), report.attempt_rows())
    lines += [*(f"- {sentence}" for sentence in report.proof), ""]
    lines += _section(_("Results"), report.results())
    lines += _section(_("Hardware"), report.hardware_rows())
    for figure in report.figures:
        shown = ", ".join(f"{line['name']} {line['last']}" for line in figure.lines)
        lines += [f"- {_cell(figure.title)}: {_cell(shown)}"]
    lines += ["", f"## {_('Configuration')}", "", "~~~~~yaml", report.yaml.rstrip(), "~~~~~", ""]
    lines += _section(_("Versions"), list(report.versions.items()))
    return "\n".join(lines)
