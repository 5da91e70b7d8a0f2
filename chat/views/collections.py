"""Collections: from accepted answers to a dataset, and from its records back."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from chat import collecting, reviewing
from chat import origins as lineage
from chat.feedback_forms import CollectionForm, FilterForm
from chat.models import Collection, CollectionStatus, Feedback
from chat.views.feedback import model_names
from llmplatform.text import number_of
from training.models import Dataset

ROWS_PER_PAGE, RECORDS_PER_PAGE = 30, 25


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    rows = Collection.objects.for_user(user).select_related("dataset")
    context = {
        "page": Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "may_review": reviewing.may_review(user),
    }
    return render(request, "chat/feedback/collections.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Filters come with the address, from the inbox; `preview` shows what would be taken."""
    user = current_user(request)
    may_review = reviewing.may_review(user)
    is_post = request.method == "POST"
    sent = request.POST if is_post else request.GET
    known = reviewing.inbox() if may_review else Feedback.objects.for_user(user)
    filters = FilterForm(sent, models=model_names(known), is_own=not may_review)
    initial = {"scope": request.GET.get("scope", ""), "emails": True, "phones": True}
    form = CollectionForm(request.POST if is_post else None, may_review=may_review, initial=initial)
    preview = None
    if is_post and form.is_valid():
        values: dict[str, Any] = {**form.values, "filters": filters.filters}
        try:
            if "preview" not in request.POST:
                made = collecting.create(owner=user, request=request, **values)
                return _made(request, made)
            preview = collecting.preview(collecting.draft(owner=user, **values))
        except ValidationError as error:
            form.add_error(None, list(error.messages))
    context = {"form": form, "filters": filters, "preview": preview, "may_review": may_review}
    status = 422 if form.errors else 200
    return render(request, "chat/feedback/collection_form.html", context, status=status)


def _made(request: HttpRequest, collection: Collection) -> HttpResponse:
    if collection.status == CollectionStatus.DONE and collection.dataset_id:
        messages.success(request, _("“%(name)s” is collected.") % {"name": collection.name})
    else:
        messages.success(request, _("“%(name)s” is being collected.") % {"name": collection.name})
    return redirect("feedback:collection", collection.pk)


def _owned(request: HttpRequest, collection_id: int) -> Collection:
    rows = Collection.objects.for_user(current_user(request)).select_related("dataset", "owner")
    return owned_or_404(rows, pk=collection_id)


@require_safe
def detail(request: HttpRequest, collection_id: int) -> HttpResponse:
    collection = _owned(request, collection_id)
    newest = collecting.newest_of(collection)
    context = {
        "collection": collection,
        "newest": newest,
        "versions": list(newest.versions[:20]) if newest else [],
        "waiting": collecting.source_of(collection).count(),
        "withdrawn": collection.rows.exclude(withdrawn_at=None).count(),
        "people": collection.rows.order_by().values("user").distinct().count(),
        "is_moving": collection.status in (CollectionStatus.WAITING, CollectionStatus.RUNNING),
        "may_review": reviewing.may_review(current_user(request)),
    }
    part = "#state" if request.headers.get("HX-Request") and context["is_moving"] else ""
    if request.headers.get("HX-Request") and not part:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, f"chat/feedback/collection.html{part}", context)


@require_POST
def collect(request: HttpRequest, collection_id: int) -> HttpResponse:
    collection = _owned(request, collection_id)
    try:
        collecting.collect(collection=collection, request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("feedback:collection", collection.pk)
    return _made(request, collection)


@require_POST
def delete(request: HttpRequest, collection_id: int) -> HttpResponse:
    collection = _owned(request, collection_id)
    try:
        user = current_user(request)
        collecting.delete(collection=collection, actor=user, request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("feedback:collection", collection.pk)
    messages.success(request, _("The collection is deleted."))
    return redirect("feedback:collections")


def _dataset(request: HttpRequest, dataset_id: int) -> Dataset:
    return owned_or_404(Dataset.objects.for_user(current_user(request)), pk=dataset_id)


@require_safe
def origins(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """Where each record comes from."""
    dataset, user = _dataset(request, dataset_id), current_user(request)
    page = Paginator(range(dataset.records), RECORDS_PER_PAGE).get_page(request.GET.get("page"))
    start = page.start_index() - 1 if dataset.records else 0
    found = (
        lineage.origins_of(dataset, user, start=start, stop=page.end_index())
        if dataset.has_file
        else []
    )
    context = {"dataset": dataset, "page": page, "origins": found}
    context["summary"] = lineage.summary_of(dataset)
    return render(request, "chat/feedback/origins.html", context)


@require_safe
def card(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """For the page of a dataset, or with ?number= of a record; empty if nothing was collected."""
    dataset, user = _dataset(request, dataset_id), current_user(request)
    number = number_of(request.GET.get("number", ""), 9)
    if not dataset.has_file:
        return HttpResponse()
    context: dict[str, Any] = {"dataset": dataset}
    if number is None:
        context["summary"] = lineage.summary_of(dataset)
    else:
        found = lineage.origins_of(dataset, user, start=max(number, 1) - 1, stop=max(number, 1))
        context["sources"] = found[0].rows if found else []
    return render(request, "chat/feedback/card.html", context)
