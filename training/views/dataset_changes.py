"""Pages that make something of a dataset: another record, more of them, parts, mixes; and what goes
on about it in the background."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from llmplatform.text import number_of
from training import (
    dataset_changes,
    dataset_exports,
    dataset_lineage,
    dataset_mixes,
    dataset_search,
    dataset_splits,
    dataset_uploads,
    dataset_work,
    datasets,
    telling,
)
from training.dataset_change_forms import AppendForm, MixForm, RecordForm, SplitForm, as_text
from training.dataset_texts import change_text
from training.models import Dataset, DatasetFormat, DatasetUpload, DatasetWork, WorkStatus


def owned(request: HttpRequest, dataset_id: int) -> Dataset:
    return owned_or_404(Dataset.objects.for_user(current_user(request)), pk=dataset_id)


def _follow(request: HttpRequest, work: DatasetWork) -> HttpResponse:
    """To what it made, or to the page that tells how far it is."""
    if work.status == WorkStatus.DONE and work.results:
        dataset = Dataset.objects.filter(pk=work.results[0]).first()
        if dataset is not None:
            messages.success(request, _("“%(name)s” is made.") % {"name": dataset})
            return redirect("datasets:detail", dataset.pk)
    return redirect("datasets:work", work.pk)


def _tried(form: forms.Form, act: Callable[[], DatasetWork]) -> DatasetWork | None:
    """The work, or None with the reason in the form."""
    try:
        work = act()
    except ValidationError as error:
        for field, texts in error.message_dict.items():
            form.add_error(field if field in form.fields else None, texts)
        return None
    if work.status == WorkStatus.FAILED:
        form.add_error(None, work.error)
        return None
    return work


# --- One record ---------------------------------------------------------------
@require_http_methods(["GET", "HEAD", "POST"])
def record(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """?number=: read it, change it, leave it out."""
    dataset = owned(request, dataset_id)
    number = _number(request, dataset)
    found = dataset_search.record_at(dataset, number)
    if found is None:
        return redirect("datasets:detail", dataset.pk)
    form = RecordForm(request.POST or None, initial={"record": as_text(found)})
    if request.method == "POST" and form.is_valid():
        work = _tried(
            form,
            lambda: dataset_changes.edit(
                dataset=dataset,
                actor=current_user(request),
                number=number,
                record=form.cleaned_data["record"],
            ),
        )
        if work is not None:
            return _follow(request, work)
    context = {"dataset": dataset, "number": number, "form": form}
    context |= {"turns": datasets.turns_of(dataset, [found])[0]} | _uses(dataset, number)
    status = 422 if form.errors else 200
    return render(request, "training/dataset_record.html", context, status=status)


def _number(request: HttpRequest, dataset: Dataset) -> int:
    number = number_of(request.GET.get("number", ""), 11)
    return 1 if number is None else number


def _uses(dataset: Dataset, number: int) -> dict[str, Any]:
    """Who learnt from this record, in whatever version it stood."""
    line = datasets.records_of(dataset).line(number)
    versions = dataset_lineage.versions_with(dataset, line)
    return {"versions_with": versions, "usage": dataset_lineage.usage_of(*versions)}


@require_POST
def exclude(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = owned(request, dataset_id)
    told = map(number_of, request.POST.getlist("number"))
    numbers = [number for number in told if number is not None]
    duplicates = request.POST.get("duplicates", "")
    form = forms.Form(request.POST)
    form.is_valid()
    work = _tried(
        form,
        lambda: dataset_changes.exclude(
            dataset=dataset, actor=current_user(request), numbers=numbers, duplicates=duplicates
        ),
    )
    if work is None:
        messages.error(request, " ".join(map(str, form.non_field_errors())))
        return redirect("datasets:detail", dataset.pk)
    return _follow(request, work)


# --- The whole dataset ----------------------------------------------------------
def _changes(request: HttpRequest, dataset: Dataset, **forms_: forms.Form) -> HttpResponse:
    user = current_user(request)
    context = {
        "dataset": dataset,
        "append_form": forms_.get("append") or AppendForm(target=dataset, user=user),
        "split_form": forms_.get("split") or SplitForm(),
        "formats": [
            (name, DatasetFormat(name).label) for name in dataset_exports.formats_of(dataset)
        ],
    }
    return render(request, "training/dataset_change.html", context, status=422 if forms_ else 200)


@require_safe
def change(request: HttpRequest, dataset_id: int) -> HttpResponse:
    return _changes(request, owned(request, dataset_id))


@require_POST
def append(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset, user = owned(request, dataset_id), current_user(request)
    form = AppendForm(request.POST, target=dataset, user=user)
    if form.is_valid():
        work = _tried(
            form,
            lambda: dataset_changes.append(
                dataset=dataset,
                actor=user,
                records=form.cleaned_data["records"],
                other=form.cleaned_data["dataset"],
            ),
        )
        if work is not None:
            return _follow(request, work)
    return _changes(request, dataset, append=form)


@require_POST
def split(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = owned(request, dataset_id)
    form = SplitForm(request.POST)
    if form.is_valid():
        asked = form.cleaned_data
        work = _tried(
            form,
            lambda: dataset_splits.split(
                dataset=dataset,
                actor=current_user(request),
                share=asked["percent"] / 100,
                seed=asked["seed"],
                together=asked["together"],
            ),
        )
        if work is not None:
            return _follow(request, work)
    return _changes(request, dataset, split=form)


@require_http_methods(["GET", "HEAD", "POST"])
def mix(request: HttpRequest) -> HttpResponse:
    """?with=: the dataset to begin with."""
    user, wanted = current_user(request), number_of(request.GET.get("with", "")) or 0
    first = Dataset.objects.for_user(user).filter(pk=wanted).first()
    form = MixForm(request.POST or None, user=user, first=first)
    if request.method == "POST" and form.is_valid():
        work = _tried(
            form,
            lambda: dataset_mixes.mix(
                actor=user,
                name=form.cleaned_data["name"],
                sources=form.sources,
                seed=form.cleaned_data["seed"],
            ),
        )
        if work is not None:
            return _follow(request, work)
    status = 422 if form.errors else 200
    return render(request, "training/dataset_mix.html", {"form": form}, status=status)


@require_POST
def restore(request: HttpRequest, dataset_id: int) -> HttpResponse:
    dataset = owned(request, dataset_id)
    try:
        restored = dataset_changes.restore(
            dataset=dataset, actor=current_user(request), request=request
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("datasets:versions", dataset.pk)
    text = _("Version %(old)d is the newest again, as version %(new)d.")
    messages.success(request, text % {"old": dataset.version, "new": restored.version})
    return redirect("datasets:detail", restored.pk)


# --- In the background -----------------------------------------------------------
@require_safe
def work(request: HttpRequest, work_id: UUID) -> HttpResponse:
    """How far it is; asks again by itself, and goes to the result in the end."""
    user = current_user(request)
    rows = DatasetWork.objects.for_user(user).select_related("dataset", "upload")
    row = owned_or_404(rows, pk=work_id)
    made = Dataset.objects.filter(pk__in=row.results)
    context = {"work": row, "made": [(each, change_text(each.change)) for each in made]}
    if not row.is_open:
        telling.have_seen(user, telling.path_of(row))
    if not request.headers.get("HX-Request"):
        return render(request, "training/dataset_work.html", context)
    goal = telling.path_of(row)
    if row.status == WorkStatus.DONE and goal != request.path:
        return HttpResponseClientRedirect(goal)
    return render(request, "training/dataset_work.html#work", context)


@require_POST
def cancel(request: HttpRequest, work_id: UUID) -> HttpResponse:
    user = current_user(request)
    row = owned_or_404(DatasetWork.objects.for_user(user), pk=work_id)
    if not dataset_work.cancel(row, actor=user, request=request):
        messages.error(request, _("It has ended already."))
    return redirect("datasets:work", row.pk)


@require_POST
def remove_upload(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    user = current_user(request)
    upload = owned_or_404(DatasetUpload.objects.filter(owner=user), pk=upload_id)
    if not dataset_uploads.discard(upload=upload, actor=user, request=request):
        messages.error(request, _("It is being imported."))
    return redirect("datasets:list")
