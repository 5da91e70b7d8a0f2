"""A comparison as a file: Markdown for people, JSON for programs. A blind one keeps its names
hidden there, too."""

import json
from collections.abc import Iterator

from django.utils.translation import gettext as _

from chat.columns import Side, sides_of
from chat.comparison_schemas import ComparisonOut
from chat.comparison_showing import Row, rows_of
from chat.exporting import sources_of
from chat.models import Comparison, Message, Vote


def exported(comparison: Comparison, kind: str) -> str:
    """`kind` is one of exporting.FORMATS."""
    if kind == "json":
        content = ComparisonOut.from_orm(comparison).model_dump(mode="json")
        return json.dumps(content, ensure_ascii=False, indent=2)
    return "\n\n".join(part for part in _parts(comparison) if part.strip()) + "\n"


def _parts(comparison: Comparison) -> Iterator[str]:
    sides = sides_of(comparison)
    votes = {vote.round: vote for vote in comparison.votes.select_related("best")}
    yield f"# {comparison.title}"
    if comparison.system_prompt:
        yield f"## {_('System prompt')}"
        yield comparison.system_prompt
    if comparison.bases:
        yield f"**{_('Knowledge')}:** {', '.join(base.name for base in comparison.bases)}"
    yield "\n".join(_table(rows_of(sides)))
    for number in range(1, max((side.rounds for side in sides), default=0) + 1):
        yield f"## {_('Round %(number)d') % {'number': number}}"
        asked = _question(sides, number)
        yield "\n".join(f"> {line}" for line in (asked.content if asked else "").splitlines())
        yield "\n".join(_files(asked) if asked else ())
        for side in sides:
            yield f"### {_heading(side)}"
            if side.rounds >= number:
                yield side.answers[number - 1].content
                yield sources_of(side.answers[number - 1])
        if number in votes:
            yield f"**{_('Vote')}:** {_verdict(votes[number])}"


def _heading(side: Side) -> str:
    return side.name if side.is_masked else f"{side.column.letter} · {side.label}"


def _question(sides: list[Side], number: int) -> Message | None:
    turns = sides[0].turns
    return turns[2 * number - 2].message if len(turns) > 2 * number - 2 else None


def _files(asked: Message) -> Iterator[str]:
    for file in asked.attachments.all():
        yield f"- {_('File')}: {file.name}"


def _verdict(vote: Vote) -> str:
    said = vote.best.letter if vote.best else vote.get_outcome_display()
    return f"{said}. {vote.note}" if vote.note else said


def _table(rows: list[Row]) -> Iterator[str]:
    """The figures of the last round."""
    names = (
        _("Model"),
        _("First token (s)"),
        _("Total (s)"),
        _("Tokens/s"),
        _("Tokens"),
        _("Cost"),
    )
    yield f"| {' | '.join(names)} |"
    yield "|---|--:|--:|--:|--:|--:|"
    for row in rows:
        figures = row.figures
        cells = (figures.get(name) for name in ("ttft_s", "speed", "tokens_shown", "cost"))
        first, speed, tokens, cost = ("–" if cell is None else str(cell) for cell in cells)
        total = row.total_s or "–"
        yield f"| {_heading(row.side)} | {first} | {total} | {speed} | {tokens} | {cost} |"
