"""Results of a batch comparison: what each model reached, and the rows of the table."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Avg, Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Substr
from django.utils.translation import gettext_lazy as _

from chat.models import (
    CALLING,
    HAS_ANSWER,
    Batch,
    BatchCell,
    BatchColumn,
    BatchPrompt,
    CellStatus,
)
from chat.models.comparisons import LETTERS
from llmplatform.text import number_of

SHOWN_CHARS, PROMPT_SHOWN_CHARS = 420, 280
LOW_SCORE = 5
SHOW = {
    "failed": _("Without an answer"),
    "not_passed": _("Checks not passed"),
    "differ": _("Models differ"),
    "low": _("Score of 5 or less"),
    "open": _("Not yet answered"),
}
SORT = {
    "slowest": (_("Slowest first"), Max("duration_ms"), True),
    "longest": (_("Longest answers first"), Max("completion_tokens"), True),
    "dearest": (_("Dearest first"), Max("cost"), True),
    "worst": (_("Lowest score first"), Min("score"), False),
    "best": (_("Highest score first"), Max("score"), True),
}


@dataclass
class Tally:
    """One model. Rates are 0 to 1; None is unknown. `costs` by currency; calls of unknown cost are
    in none of them."""

    column: BatchColumn
    total: int = 0
    answered: int = 0
    failed: int = 0
    calling: int = 0
    checked: int = 0
    passed: int = 0
    scored: int = 0
    score_sum: float = 0
    unjudged: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    costs: dict[str, Decimal] = field(default_factory=dict)
    unknown_costs: int = 0
    p50_ms: int | None = None
    p95_ms: int | None = None
    ttft_ms: int | None = None

    @property
    def letter(self) -> str:
        return LETTERS[self.column.position % len(LETTERS)]

    @property
    def pass_rate(self) -> float | None:
        return self.passed / self.checked if self.checked else None

    @property
    def mean_score(self) -> float | None:
        return self.score_sum / self.scored if self.scored else None

    def add(self, row: Any) -> None:
        """One group of `tallies`."""
        for name in ("total", "answered", "failed", "calling", "checked", "passed", "scored"):
            setattr(self, name, getattr(self, name) + row[name])
        self.score_sum += row["score_sum"] or 0
        self.unjudged += row["unjudged"]
        self.prompt_tokens += row["asked"] or 0
        self.completion_tokens += row["said"] or 0
        self.unknown_costs += row["unknown_costs"]
        if row["spent"] is not None:
            self.costs[row["currency"]] = row["spent"]


def tallies(batch: Batch) -> list[Tally]:
    """In the order of the columns; four queries, however many answers there are."""
    found = {column.pk: Tally(column) for column in batch.columns.all()}
    over = Q(status__in=HAS_ANSWER)
    rows = batch.cells.order_by().values("column_id", "currency")
    for row in rows.annotate(
        total=Count("pk"),
        answered=Count("pk", filter=over),
        failed=Count("pk", filter=Q(status=CellStatus.FAILED)),
        calling=Count("pk", filter=Q(status__in=CALLING)),
        checked=Count("pk", filter=Q(passed__isnull=False)),
        passed=Count("pk", filter=Q(passed=True)),
        scored=Count("score"),
        score_sum=Sum("score"),
        unjudged=Count("pk", filter=Q(status=CellStatus.DONE, score=None)),
        asked=Sum("prompt_tokens"),
        said=Sum("completion_tokens"),
        spent=Sum("cost"),
        unknown_costs=Count("pk", filter=over & Q(cost=None)),
    ):
        found[row["column_id"]].add(row)
    _add_times(batch, found)
    return list(found.values())


def _add_times(batch: Batch, found: dict[int, Tally]) -> None:
    times: dict[int, list[int]] = defaultdict(list)
    timed = batch.cells.filter(duration_ms__isnull=False, status__in=HAS_ANSWER).order_by()
    for column, duration in timed.values_list("column_id", "duration_ms"):
        times[column].append(duration or 0)
    for row in timed.values("column_id").annotate(mean=Avg("ttft_ms")):
        found[row["column_id"]].ttft_ms = None if row["mean"] is None else round(row["mean"])
    for column, values in times.items():
        values.sort()
        found[column].p50_ms = percentile(values, 0.50)
        found[column].p95_ms = percentile(values, 0.95)


def percentile(values: list[int], share: float) -> int:
    """Of sorted values: the smallest that at least `share` of them do not exceed."""
    place = -(-len(values) * round(share * 100) // 100) - 1
    return values[max(0, place)]


@dataclass(frozen=True)
class Where:
    """Which rows: `q` in the prompt, `show` of SHOW, `sort` of SORT, of the model at `model` only
    (None: of any)."""

    q: str = ""
    show: str = ""
    sort: str = ""
    model: int | None = None

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.show)


def prompts_where(batch: Batch, where: Where) -> QuerySet[BatchPrompt]:
    rows = batch.prompts.all()
    if where.q:
        rows = rows.filter(text__icontains=where.q)
    cells = BatchCell.objects.filter(prompt=OuterRef("pk")).order_by()
    if where.model is not None:
        cells = cells.filter(column__position=where.model)
    if where.show == "differ":
        every = BatchCell.objects.filter(prompt=OuterRef("pk")).order_by()
        rows = rows.filter(Exists(every.filter(passed=True)), Exists(every.filter(passed=False)))
    elif where.show in SHOW:
        rows = rows.filter(Exists(cells.filter(_condition(where.show))))
    if where.sort in SORT:
        _label, figure, is_falling = SORT[where.sort]
        figures = cells.values("prompt").annotate(figure=figure).values("figure")
        rows = rows.annotate(figure=Subquery(figures))
        key = F("figure")
        by = key.desc(nulls_last=True) if is_falling else key.asc(nulls_last=True)
        rows = rows.order_by(by, "position")
    return rows


def _condition(show: str) -> Q:
    return {
        "failed": Q(status=CellStatus.FAILED),
        "not_passed": Q(passed=False),
        "low": Q(score__lte=LOW_SCORE),
        "open": ~Q(status__in=(*HAS_ANSWER, CellStatus.FAILED)),
    }[show]


def shortened(rows: QuerySet[BatchPrompt]) -> QuerySet[BatchPrompt]:
    """With `shown`, the beginning of the text, in place of it all."""
    return rows.defer("text", "before", "reference").annotate(
        shown=Substr("text", 1, PROMPT_SHOWN_CHARS)
    )


def cells_of(prompts: list[BatchPrompt]) -> dict[int, dict[int, BatchCell]]:
    """By prompt and column, with `shown`, the beginning of the answer, in place of it all."""
    rows = BatchCell.objects.filter(prompt__in=[prompt.pk for prompt in prompts])
    rows = rows.defer("answer", "thoughts").annotate(shown=Substr("answer", 1, SHOWN_CHARS))
    found: dict[int, dict[int, BatchCell]] = defaultdict(dict)
    for cell in rows:
        found[cell.prompt_id][cell.column_id] = cell
    return found


def where_from(query: Mapping[str, Any], columns: int) -> Where:
    """What a query string asks for; what makes no sense in it is left aside."""
    show, sort = query.get("show", ""), query.get("sort", "")
    model = number_of(query.get("model", ""))
    return Where(
        q=query.get("q", "").replace("\x00", "").strip()[:200],
        show=show if show in SHOW else "",
        sort=sort if sort in SORT else "",
        model=model if model is not None and model < columns else None,
    )
