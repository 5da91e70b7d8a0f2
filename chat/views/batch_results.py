"""Results of a batch comparison: the table, one prompt, another run beside it, files."""

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import current_user, owned_or_404
from chat.batches import exports, overview, results, showing
from chat.batches import services as batches
from chat.batches.regressions import KINDS, WORSE, other_column
from chat.batches.regressions import regressions as regressions_between
from chat.batches.showing import ShownCell
from chat.differing import Difference, difference
from chat.models import Batch, BatchCell, BatchColumn
from llmplatform.spreadsheets import csv_response, download
from llmplatform.text import number_of

PROMPTS_PER_PAGE, PAIRS_PER_PAGE = 20, 50
EARLIER_SHOWN = 50


def _batch(request: HttpRequest, batch_id: UUID) -> Batch:
    rows = Batch.objects.for_user(current_user(request))
    rows = rows.select_related("judge__provider", "repeat_of")
    return owned_or_404(rows.prefetch_related("columns__model__provider"), pk=batch_id)


@require_safe
def detail(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Asked by htmx, the part that changes while it runs: `live` or the `rows` of the table."""
    batch = _batch(request, batch_id)
    part = getattr(request, "htmx", None) and request.htmx.target  # type: ignore[attr-defined]
    context: dict[str, Any] = {"batch": batch}
    if part != "rows":
        context |= overview.overview(batch)
    if part != "live":
        context |= _rows(request, batch)
    names = {"live": "chat/batch/detail.html#live", "rows": "chat/batch/detail.html#rows"}
    response = render(request, names.get(str(part), "chat/batch/detail.html"), context)
    if part == "live" and not batch.is_running:  # it has just ended, and the table is as it was
        response.headers["HX-Refresh"] = "true"
    return response


def _rows(request: HttpRequest, batch: Batch) -> dict[str, Any]:
    columns = list(batch.columns.all())
    where = results.where_from(request.GET, len(columns))
    rows = results.shortened(results.prompts_where(batch, where))
    page = Paginator(rows, PROMPTS_PER_PAGE).get_page(request.GET.get("page"))
    prompts = list(page.object_list)
    cells = results.cells_of(prompts)
    return {
        "page": page,
        "where": where,
        "columns": showing.lettered(columns),
        "rows": showing.rows(batch, columns, prompts, cells),
        "shows": showing.offered_shows(batch),
        "sorts": showing.offered_sorts(batch),
    }


@require_safe
def prompt(request: HttpRequest, batch_id: UUID, prompt_id: int) -> HttpResponse:
    """All answers to one prompt; `?a=1&b=0`: which two are held against each other."""
    batch = _batch(request, batch_id)
    row = owned_or_404(batch.prompts.all(), pk=prompt_id)
    columns = list(batch.columns.all())
    cells = {cell.column_id: cell for cell in row.cells.all()}
    answers = [showing.answer(batch, column, cells[column.pk]) for column in columns]
    pair = _pair(request, answers)
    context = {
        "batch": batch,
        "prompt": row,
        "answers": answers,
        "a": answers[pair[0]] if pair else None,
        "b": answers[pair[1]] if pair else None,
        "difference": _difference(answers[pair[0]].cell, answers[pair[1]].cell) if pair else None,
        "previous": batch.prompts.filter(position__lt=row.position).last(),
        "next": batch.prompts.filter(position__gt=row.position).first(),
    }
    return render(request, "chat/batch/prompt.html", context)


def _pair(request: HttpRequest, answers: list[ShownCell]) -> tuple[int, int] | None:
    """Those that were chosen, else the first two that have an answer."""
    there = [place for place, shown in enumerate(answers) if shown.has_answer]
    a, b = (number_of(request.GET.get(name, "")) for name in ("a", "b"))
    if a in there and b in there and a is not None and b is not None and a != b:
        return a, b
    return (there[0], there[1]) if len(there) > 1 else None


def _difference(a: BatchCell, b: BatchCell) -> Difference:
    return difference(a.answer, b.answer)


@require_safe
def regressions(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """`?with=<id>`: the earlier comparison; `?model=` of this one, `?other=` of the earlier one."""
    batch = _batch(request, batch_id)
    earlier = Batch.objects.for_user(current_user(request)).exclude(pk=batch.pk)
    chosen = request.GET.get("with") or str(batch.repeat_of_id or "")
    context: dict[str, Any] = {
        "batch": batch,
        "earlier": earlier[:EARLIER_SHOWN],
        "chosen": chosen,
        "columns": batch.columns.all(),
    }
    if chosen:
        context |= _regressions(request, batch, owned_or_404(earlier, pk=chosen))
    return render(request, "chat/batch/regressions.html", context)


def _regressions(request: HttpRequest, batch: Batch, other: Batch) -> dict[str, Any]:
    after = _column(list(batch.columns.all()), request.GET.get("model"))
    others = list(other.columns.all())
    before = _column(others, request.GET.get("other"), like=after)
    found = regressions_between(before, after)
    kind = request.GET.get("kind", "")
    kind = kind if kind in KINDS else WORSE
    page = Paginator(found.of(kind), PAIRS_PER_PAGE).get_page(request.GET.get("page"))
    texts = showing.pair_texts(page.object_list)
    return {
        "other": other,
        "other_columns": others,
        "before": before,
        "after": after,
        "found": found,
        "kinds": showing.kinds(found),
        "kind": kind,
        "page": page,
        "pairs": [(pair, *texts[pair]) for pair in page.object_list],
    }


def _column(
    columns: list[BatchColumn], position: str | None, like: BatchColumn | None = None
) -> BatchColumn:
    place = number_of(position or "")
    if place is not None and place < len(columns):
        return columns[place]
    found = columns[0] if like is None else other_column(columns, like)
    if found is None:
        raise Http404
    return found


@require_safe
def export(request: HttpRequest, batch_id: UUID) -> HttpResponseBase:
    batch, kind = _batch(request, batch_id), request.GET.get("format", "csv")
    if kind not in ("csv", "json"):
        raise Http404
    user = current_user(request)
    batches.record_export(batch=batch, actor=user, format=kind, request=request)
    if kind == "csv":
        return csv_response("comparison", exports.COLUMNS, exports.csv_rows(batch))
    pieces = exports.json_pieces(batch)
    return download("comparison", "json", "application/json", pieces)
