"""What was not used of a dataset's file, and what should not be in it."""

from collections.abc import Iterator

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.spreadsheets import csv_response
from training import datasets
from training.dataset_advice import FATES, counted, found
from training.dataset_texts import listed
from training.models import Dataset

ROWS_PER_PAGE = 50


def _owned(request: HttpRequest, dataset_id: int) -> Dataset:
    return owned_or_404(Dataset.objects.for_user(current_user(request)), pk=dataset_id)


@require_safe
def report(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = _owned(request, dataset_id)
    code = request.GET.get("code", "")
    rows = datasets.rejections_of(dataset, code=code if code in dataset.reasons else "")
    pages = Paginator(rows, ROWS_PER_PAGE)  # type: ignore[var-annotated,arg-type]
    page = pages.get_page(request.GET.get("page"))
    errors = [{**row, "said": FATES.get(row["fate"], "")} for row in listed(page.object_list)]
    context = {
        "dataset": dataset,
        "code": code,
        "page": page,
        "errors": errors,
        "reasons": counted(dataset.reasons),
        "findings": found(dataset.findings),
    }
    return render(request, "training/dataset_report.html", context)


@require_safe
def report_csv(request: HttpRequest, dataset_id: int) -> StreamingHttpResponse:
    """Every rejection, in the language of the reader."""
    dataset = _owned(request, dataset_id)
    columns = [_("Line"), _("Record"), _("Reason"), _("Remedy"), _("The trainer")]
    rows = _rows(dataset, get_language())
    return csv_response(f"dataset-{dataset.pk}-report", columns, rows)


def _rows(dataset: Dataset, language: str | None) -> Iterator[list[object]]:
    """They are made after the request, when no language is active any more."""
    for error in datasets.rejections_of(dataset):
        with override(language):
            (row,) = listed([error])
            said = str(FATES.get(row["fate"], ""))
        yield [row["line"], row["record"], row["reason"], row["fix"], said]
