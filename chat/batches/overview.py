"""The head of a batch comparison: progress, what each model reached, what it will cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from chat.batches import results
from chat.batches.checks import label_of
from chat.batches.results import Tally
from chat.batches.showing import grouped, percent, seconds
from chat.models import Batch, BatchStatus
from chat.showing import advice_of
from llmplatform.charts import bars
from llmplatform.text import money


def overview(batch: Batch) -> dict[str, Any]:
    """What changes while it runs."""
    found = results.tallies(batch)
    total = sum(tally.total for tally in found)
    failed = sum(tally.failed for tally in found)
    unjudged = sum(tally.unjudged for tally in found) if batch.judge_id else 0
    over = sum(tally.answered for tally in found) + failed
    is_retriable = batch.status in (BatchStatus.DONE, BatchStatus.PAUSED)
    return {
        "tallies": [ShownTally(tally) for tally in found],
        "charts": charts(batch, found) if any(tally.answered for tally in found) else [],
        "total": total,
        "over": over,
        "failed": failed,
        "calling": sum(tally.calling for tally in found),
        "percent": 100 * over // total if total else 0,
        "reason": advice_of(batch.reason),
        "may_retry": is_retriable and bool(failed or unjudged),
        "check_labels": [label_of(check) for check in batch.checks],
        "estimate": shown_estimate(batch) if batch.status == BatchStatus.DRAFT else None,
    }


@dataclass
class ShownTally:
    tally: Tally

    @property
    def cost(self) -> str:
        """Sums by currency; what is unknown is said."""
        sums = [money(amount, currency) for currency, amount in sorted(self.tally.costs.items())]
        return " + ".join(sums) or "–"

    @property
    def pass_rate(self) -> str:
        return percent(self.tally.pass_rate)

    @property
    def mean_score(self) -> str:
        mean = self.tally.mean_score
        return "–" if mean is None else f"{mean:.1f}"

    @property
    def tokens(self) -> str:
        return grouped(self.tally.completion_tokens)

    @property
    def p50(self) -> str:
        return seconds(self.tally.p50_ms)

    @property
    def p95(self) -> str:
        return seconds(self.tally.p95_ms)

    @property
    def ttft(self) -> str:
        return seconds(self.tally.ttft_ms)


def charts(batch: Batch, found: Sequence[Tally]) -> list[dict[str, Any]]:
    """Small columns, one a model; a measure that nobody has is left out."""
    shown = [ShownTally(tally) for tally in found]
    currencies = {currency for tally in found for currency in tally.costs}
    measures: list[tuple[str, list[float | None], list[str], str]] = [
        (_("Mean score"), [t.mean_score for t in found], [s.mean_score for s in shown], "1"),
        (_("Checks passed"), [t.pass_rate for t in found], [s.pass_rate for s in shown], "3"),
        (_("Half are done in"), [t.p50_ms for t in found], [s.p50 for s in shown], "2"),
        (_("95 % are done in"), [t.p95_ms for t in found], [s.p95 for s in shown], "2"),
    ]
    if len(currencies) == 1:  # sums in two currencies have no common scale
        costs = [float(sum(t.costs.values(), Decimal(0))) if t.costs else None for t in found]
        measures.append((_("Cost"), costs, [s.cost for s in shown], "4"))
    return [
        {
            "label": label,
            "values": [(t.letter, text) for t, text in zip(found, texts, strict=True)],
            "bars": bars(
                [
                    (f"{t.column.label}: {text}", [(colour, value)])
                    for t, value, text in zip(found, values, texts, strict=True)
                ]
            ),
        }
        for label, values, texts, colour in measures
        if any(value is not None for value in values)
    ]


def shown_estimate(batch: Batch) -> dict[str, Any]:
    """Rows of estimates in words; `total` of each currency, and whether more is unknown."""
    rows = [*batch.estimate.get("columns", ())]
    rows += [batch.estimate["judge"]] if batch.estimate.get("judge") else []
    totals: dict[str, Decimal] = {}
    for row in rows:
        known = row["cost"] or row["input_cost"]
        if known is not None:
            totals[row["currency"]] = totals.get(row["currency"], Decimal(0)) + Decimal(known)
    return {
        "rows": [_estimated(row, is_judge=row is batch.estimate.get("judge")) for row in rows],
        "total": " + ".join(money(amount, currency) for currency, amount in totals.items()),
        "calls": sum(row["calls"] for row in rows),
        "is_whole": all(row["cost"] is not None for row in rows),
        "is_limit": any(row["basis"] == "limit" for row in rows),
    }


def _estimated(row: dict[str, Any], *, is_judge: bool) -> dict[str, Any]:
    def amount(name: str) -> str:
        return "" if row[name] is None else money(Decimal(row[name]), row["currency"])

    return {
        **row,
        "is_judge": is_judge,
        "prompt_shown": grouped(row["prompt_tokens"]),
        "answer_shown": grouped(row["answer_tokens"]) if row["basis"] else "",
        "input_cost": amount("input_cost"),
        "cost": amount("cost"),
    }
