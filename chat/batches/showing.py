"""Batch comparisons as templates show them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.batches import regressions, results
from chat.batches.checks import label_of
from chat.batches.regressions import Pair, Regressions
from chat.batches.results import SHOW, SORT
from chat.models import (
    HAS_ANSWER,
    Batch,
    BatchCell,
    BatchColumn,
    BatchPrompt,
)
from chat.models.comparisons import LETTERS
from chat.rendering import render
from chat.showing import advice_of
from llmplatform.text import money

PAIR_CHARS, GOOD_SCORE = 300, 8


def seconds(ms: int | None) -> str:
    return "–" if ms is None else f"{ms / 1000:.2f} s"


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.0f} %"


def grouped(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


def lettered(columns: Sequence[BatchColumn]) -> list[dict[str, Any]]:
    return [
        {"letter": LETTERS[each.position % len(LETTERS)], "column": each, "label": each.label}
        for each in columns
    ]


@dataclass
class ShownCell:
    """`text`: the answer, or of a table's cell its beginning."""

    cell: BatchCell
    text: str
    letter: str
    label: str
    checks: Sequence[str] = ()

    @property
    def is_cut(self) -> bool:
        return len(self.text) >= results.SHOWN_CHARS

    @cached_property
    def html(self) -> str:
        return render(self.text)

    @property
    def has_answer(self) -> bool:
        return self.cell.status in HAS_ANSWER

    @property
    def advice(self) -> str:
        return advice_of(self.cell.error_code)

    @property
    def is_cut_off(self) -> bool:
        return self.cell.finish_reason == "length"

    @property
    def missed(self) -> list[str]:
        """The checks that it does not pass."""
        pairs = zip(self.checks, self.cell.checks, strict=False)
        return [label for label, held in pairs if held is False]

    @property
    def held(self) -> list[tuple[str, bool | None]]:
        return list(zip(self.checks, self.cell.checks, strict=False))

    @property
    def score_level(self) -> str:
        score = self.cell.score or 0
        return "success" if score >= 8 else "warning" if score > results.LOW_SCORE else "danger"

    @property
    def judge_problem(self) -> str:
        code = self.cell.judgement.get("error", "")
        if code == "unreadable":
            return _("The judge said no score.")
        return advice_of(code)

    @property
    def figures(self) -> list[str]:
        """The quiet line under it; what is unknown is left out."""
        cell, speed = self.cell, self.cell.tokens_per_second
        tokens = "" if cell.completion_tokens is None else f"{cell.completion_tokens:,}"
        if tokens:
            about = "≈ " if cell.is_estimated else ""
            text = ngettext("%(n)s token", "%(n)s tokens", cell.completion_tokens or 0)
            tokens = text % {"n": about + tokens}
        return [
            text
            for text in (
                tokens,
                "" if cell.duration_ms is None else seconds(cell.duration_ms),
                "" if speed is None else _("%(n)s tokens/s") % {"n": f"{speed:,.0f}"},
                _("cost unknown") if cell.cost is None else money(cell.cost, cell.currency),
            )
            if text
        ]


def rows(
    batch: Batch,
    columns: Sequence[BatchColumn],
    prompts: Iterable[BatchPrompt],
    cells: dict[int, dict[int, BatchCell]],
) -> list[tuple[BatchPrompt, list[ShownCell]]]:
    """`cells` as results.cells_of reads them."""
    checks = [label_of(check) for check in batch.checks]

    def shown(prompt: BatchPrompt, column: BatchColumn) -> ShownCell:
        cell = cells[prompt.pk][column.pk]
        return _shown(column, cell, cell.shown, checks)  # type: ignore[attr-defined]

    return [(prompt, [shown(prompt, column) for column in columns]) for prompt in prompts]


def answer(batch: Batch, column: BatchColumn, cell: BatchCell) -> ShownCell:
    return _shown(column, cell, cell.answer, [label_of(check) for check in batch.checks])


def _shown(column: BatchColumn, cell: BatchCell, text: str, checks: Sequence[str]) -> ShownCell:
    letter = LETTERS[column.position % len(LETTERS)]
    return ShownCell(cell, text, letter, column.label, checks)


def offered_shows(batch: Batch) -> list[tuple[str, Any]]:
    """Filters that can find something in this comparison."""
    left_out = set() if batch.checks else {"not_passed", "differ"}
    left_out |= set() if batch.judge_id else {"low"}
    return [(name, label) for name, label in SHOW.items() if name not in left_out]


def offered_sorts(batch: Batch) -> list[tuple[str, Any]]:
    left_out = set() if batch.judge_id else {"worst", "best"}
    return [(name, row[0]) for name, row in SORT.items() if name not in left_out]


def kinds(found: Regressions) -> list[tuple[str, str, int]]:
    labels = {
        regressions.WORSE: _("Worse"),
        regressions.BETTER: _("Better"),
        regressions.ALIKE: _("Alike"),
        regressions.UNKNOWN: _("Changed, not judged"),
    }
    return [(kind, labels[kind], count) for kind, count in found.counts.items()]


def pair_texts(pairs: Iterable[Pair]) -> dict[Pair, tuple[str, BatchCell, BatchCell]]:
    """Prompt and both answers of those on a page, one query."""
    chosen = list(pairs)
    ids = [side.cell_id for pair in chosen for side in (pair.before, pair.after)]
    found = {
        cell.pk: cell for cell in BatchCell.objects.filter(pk__in=ids).select_related("prompt")
    }
    return {
        pair: (
            found[pair.after.cell_id].prompt.text[:PAIR_CHARS],
            found[pair.before.cell_id],
            found[pair.after.cell_id],
        )
        for pair in chosen
    }
