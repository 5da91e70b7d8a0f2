"""Pages that tell about a dataset: search, statistics, versions, who used it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import current_user
from llmplatform.text import number_of
from training import (
    dataset_comparison,
    dataset_exports,
    dataset_lineage,
    dataset_search,
    dataset_statistics,
    datasets,
)
from training.dataset_change_forms import StatisticsForm
from training.dataset_texts import change_text, language_name
from training.models import Dataset, DatasetWork, WorkKind
from training.views.dataset_changes import owned

MAX_CUTOFF = 10_000_000
CUTOFFS = (512, 1024, 2048, 4096, 8192, 16384, 32768)


@require_safe
def search(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """?q=, and ?cursor= for what follows. A part of the records card."""
    dataset = owned(request, dataset_id)
    query, cursor = request.GET.get("q", "").strip(), request.GET.get("cursor", "")
    try:
        found = dataset_search.search(dataset, query, cursor=cursor)
    except ValueError:
        found = dataset_search.search(dataset, query)
    turns = datasets.turns_of(dataset, [record for _number, record in found.hits])
    hits = [(number, each) for (number, _record), each in zip(found.hits, turns, strict=True)]
    context = {"dataset": dataset, "query": query, "found": found, "hits": hits}
    context |= {"is_first": not cursor, "is_automatic": bool(found.cursor) and not hits}
    part = "#hits" if request.headers.get("HX-Request") else ""
    return render(request, f"training/dataset_search.html{part}", context)


@require_http_methods(["GET", "HEAD", "POST"])
def statistics(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """?cutoff= and ?model= choose what is shown; a POST counts."""
    dataset, user = owned(request, dataset_id), current_user(request)
    form = StatisticsForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        try:
            work = dataset_statistics.ask(
                dataset=dataset, actor=user, base_model=form.cleaned_data["base_model"]
            )
        except ValidationError as error:
            form.add_error(None, error.messages)
        else:
            if work.is_open or work.error:
                return redirect("datasets:work", work.pk)
            return redirect("datasets:statistics", dataset.pk)
    context = {"dataset": dataset, "form": form, **_figures(request, dataset)}
    open_work = dataset.work.open().filter(kind=WorkKind.STATISTICS).first()
    context["work"] = open_work
    is_part = bool(request.headers.get("HX-Request")) and request.method == "GET"
    template = "training/dataset_statistics.html" + ("#tokens" if is_part else "")
    return render(request, template, context, status=422 if form.errors else 200)


def _figures(request: HttpRequest, dataset: Dataset) -> dict[str, Any]:
    texts, rows = dataset_statistics.newest(dataset)
    figures: dict[str, Any] = {"texts": texts, "token_rows": rows, "cutoffs": CUTOFFS}
    if texts is not None:
        figures |= {
            "turn_bars": dataset_statistics.turn_columns(texts["turns"]),
            "chars": (chars := dataset_statistics.Distribution(texts["chars"])),
            "char_bars": chars.columns(),
            "languages": [(language_name(code), n) for code, n in texts["languages"][:12]],
        }
    chosen = request.GET.get("model", "")
    row = next((each for each in rows if str(each.base_model_id) == chosen), None)
    row = row or next(iter(rows), None)
    if row is not None:
        cutoff = _cutoff(request.GET.get("cutoff", ""))
        lengths = dataset_statistics.Distribution(row.result["lengths"])
        tokens = dataset_statistics.tokens(row, cutoff)
        tokens |= {"percent": _percent(tokens["cut_off_share"]), "p99": lengths.quantile(0.99)}
        top = max(lengths.longest, cutoff, CUTOFFS[3])
        figures |= {"token_row": row, "tokens": tokens, "cutoff_max": -(-top // 16) * 16}
        figures |= {"token_bars": lengths.columns(cutoff), "cutoff": cutoff}
    return figures


def _percent(share: float) -> str:
    percent = 100 * share
    return "< 0.1" if 0 < percent < 0.1 else f"{percent:.1f}".removesuffix(".0")


def _cutoff(text: str) -> int:
    number = number_of(text, 8)
    return 2048 if number is None else max(1, min(number, MAX_CUTOFF))


@require_safe
def versions(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """?old= and ?new= (ids) are compared."""
    dataset = owned(request, dataset_id)
    rows = list(dataset.versions.select_related("author", "parent"))
    context: dict[str, Any] = {
        "dataset": dataset,
        "versions": [(row, change_text(row.change)) for row in rows],
        "usage": dataset_lineage.usage_of(dataset),
        "comparison": None,
    }
    known = {str(row.pk): row for row in rows}
    old = known.get(request.GET.get("old", ""))
    new = known.get(request.GET.get("new", ""))
    if old is not None and new is not None and old.has_file and new.has_file:
        context |= {"comparison": _compared(old, new), "old": old, "new": new}
    return render(request, "training/dataset_versions.html", context)


def _compared(old: Dataset, new: Dataset) -> dict[str, Any]:
    found = dataset_comparison.compare(old, new)
    shown: dict[str, Any] = {"kept": found.kept}
    for name, side, dataset in (("removed", found.removed, old), ("added", found.added, new)):
        turns = datasets.turns_of(dataset, [record for _number, record in side.shown])
        numbered = zip(side.shown, turns, strict=True)
        shown[name] = {
            "count": side.count,
            "rows": [(number, each) for (number, _record), each in numbered],
        }
    return shown


@require_safe
def export(request: HttpRequest, dataset_id: int) -> HttpResponseBase:
    """?file= and ?format=. A large one is made in the background first, with a page of its own."""
    dataset = owned(request, dataset_id)
    try:
        made = dataset_exports.export(
            dataset=dataset,
            actor=current_user(request),
            file=request.GET.get("file", "jsonl"),
            format=request.GET.get("format", ""),
            request=request,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("datasets:change", dataset.pk)
    return redirect("datasets:work", made.pk) if isinstance(made, DatasetWork) else made


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """What depends on it is listed before anything is deleted."""
    dataset = owned(request, dataset_id)
    usage = dataset_lineage.usage_of(dataset)
    problem = ""
    if request.method == "POST":
        older = dataset.versions.exclude(pk=dataset.pk).first()
        try:
            datasets.delete_dataset(dataset=dataset, actor=current_user(request), request=request)
        except datasets.InUse as error:
            problem = error.message
        else:
            messages.success(request, _("“%(name)s” is deleted.") % {"name": dataset})
            return redirect("datasets:detail", older.pk) if older else redirect("datasets:list")
    context = {"dataset": dataset, "usage": usage, "problem": problem}
    status = 422 if problem else 200
    return render(request, "training/dataset_delete.html", context, status=status)
