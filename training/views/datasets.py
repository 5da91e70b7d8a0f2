"""Dataset pages."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from training import (
    dataset_exports,
    dataset_lineage,
    dataset_pictures,
    dataset_uploads,
    datasets,
    drafts,
)
from training.dataset_advice import found
from training.dataset_forms import FillForm, UploadForm
from training.dataset_texts import change_text, explain, listed, reasons_of, status_of
from training.formats.problems import Refusal
from training.models import Dataset, DatasetDraft, DatasetWork, Stage

DATASETS_PER_PAGE = 50
RECORDS_PER_PAGE = 10


def _owned(request: HttpRequest, dataset_id: int) -> Dataset:
    return owned_or_404(Dataset.objects.for_user(current_user(request)), pk=dataset_id)


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    rows = Dataset.objects.for_user(user).current()
    context = {
        "page": Paginator(rows, DATASETS_PER_PAGE).get_page(request.GET.get("page")),
        "drafts": DatasetDraft.objects.for_user(user),
        "uploads": dataset_uploads.open_uploads(user),
        "works": DatasetWork.objects.for_user(user).open().select_related("dataset", "upload"),
    }
    return render(request, "training/dataset_list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    is_sent = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if is_sent else UploadForm()
    reasons: list[str] = []
    status = 422 if is_sent else 200
    if is_sent and form.is_valid():
        try:
            dataset = _import(request, form)
        except Refusal as refusal:
            if refusal.code in drafts.MENDABLE:
                return _to_mapping(request, form)
            form.add_error("file", explain(refusal))
            reasons, status = reasons_of(refusal.rejections), status_of(refusal)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            return _uploaded(request, dataset)
    context = {
        "form": form,
        "reasons": reasons,
        "max_bytes": settings.UPLOAD_MAX_BYTES,
        "pieces_from": dataset_uploads.CHUNK_BYTES,
        "uploads": dataset_uploads.open_uploads(current_user(request)),
    }
    part = "#form" if request.headers.get("HX-Request") else ""
    return render(request, f"training/dataset_upload.html{part}", context, status=status)


def _to_mapping(request: HttpRequest, form: UploadForm) -> HttpResponse:
    """The file is kept, and its page asks what is what."""
    file = form.cleaned_data["file"]
    draft = drafts.keep(
        owner=current_user(request),
        file=file.file,
        file_name=file.name,
        size_bytes=file.size,
        name=form.cleaned_data["name"],
    )
    url = reverse("datasets:mapping", args=[draft.pk])
    return HttpResponseClientRedirect(url) if request.headers.get("HX-Request") else redirect(url)


def _import(request: HttpRequest, form: UploadForm) -> Dataset:
    file = form.cleaned_data["file"]
    return datasets.import_dataset(
        owner=current_user(request),
        file=file.file,
        file_name=file.name,
        size_bytes=file.size,
        name=form.cleaned_data["name"],
        format=form.cleaned_data["format"],
        options=form.options,
        request=request,
    )


def _uploaded(request: HttpRequest, dataset: Dataset) -> HttpResponse:
    text = ngettext("%(count)s record is ready.", "%(count)s records are ready.", dataset.records)
    messages.success(request, text % {"count": f"{dataset.records:,}"})
    url = reverse("datasets:detail", args=[dataset.pk])
    if request.headers.get("HX-Request"):
        return HttpResponseClientRedirect(url)
    return redirect(url)


@require_safe
def detail(request: HttpRequest, dataset_id: int) -> HttpResponse:
    return _show(request, _owned(request, dataset_id))


def _show(
    request: HttpRequest, dataset: Dataset, form: FillForm | None = None, status: int = 200
) -> HttpResponse:
    records = Paginator(datasets.records_of(dataset), RECORDS_PER_PAGE)  # type: ignore[var-annotated,arg-type]
    page = records.get_page(request.GET.get("page"))
    context = {
        "dataset": dataset,
        "page": page,
        "conversations": datasets.turns_of(dataset, page.object_list),
        "errors": listed(dataset.errors),
        "findings": found(dataset.findings),
        "kept_percent": _kept_percent(dataset),
        "newest": dataset.versions.first(),
        "usage": dataset_lineage.usage_of(dataset),
        "same_name": dataset_lineage.same_name(dataset),
        "change": change_text(dataset.change),
        "stages": [Stage(stage).label for stage in dataset.stages],
        "form": form or FillForm(placeholders=dataset.placeholders),
    }
    return render(request, "training/dataset_detail.html", context, status=status)


def _kept_percent(dataset: Dataset) -> int:
    """Whole, but never 100 while something was rejected."""
    share = 100 * dataset.records // (dataset.records + dataset.rejected)
    return max(1, min(share, 99 if dataset.rejected else 100))


@require_safe
def records(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """One page of records for the detail page to swap in."""
    dataset = _owned(request, dataset_id)
    pages = Paginator(datasets.records_of(dataset), RECORDS_PER_PAGE)  # type: ignore[var-annotated,arg-type]
    page = pages.get_page(request.GET.get("page"))
    shown = datasets.turns_of(dataset, page.object_list)
    context = {"dataset": dataset, "page": page, "conversations": shown}
    return render(request, "training/dataset_detail.html#records", context)


@require_POST
def fill(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = _owned(request, dataset_id)
    form = FillForm(request.POST, placeholders=dataset.placeholders)
    if form.is_valid():
        try:
            filled = datasets.fill_placeholders(
                dataset=dataset, values=form.values, request=request
            )
        except ValidationError as error:
            form.add_error(None, " ".join(error.messages))
        except Refusal as refusal:
            form.add_error(None, explain(refusal))
        else:
            messages.success(request, _("“%(name)s” is made.") % {"name": filled.name})
            return redirect("datasets:detail", filled.pk)
    return _show(request, dataset, form, status=422)


@require_safe
def download(request: HttpRequest, dataset_id: int) -> HttpResponseBase:
    dataset = _owned(request, dataset_id)
    if not dataset.has_file:
        raise Http404
    return dataset_exports.download(dataset=dataset, actor=current_user(request), request=request)


@require_safe
def picture(request: HttpRequest, dataset_id: int, name: str) -> HttpResponseBase:
    """A picture of its records; ?small for a thumbnail."""
    dataset = _owned(request, dataset_id)
    answer = dataset_pictures.answer(dataset, name, small="small" in request.GET)
    if answer is None:
        raise Http404
    return answer
