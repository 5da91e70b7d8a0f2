"""Batch comparisons: the list, the form, and what one does with a comparison."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import services
from chat.batches import services as batches
from chat.batches.forms import BatchForm, initial_of
from chat.errors import WrongState
from chat.models import Batch

BATCHES_PER_PAGE = 30
UNPROCESSABLE = 422


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Asked by htmx, the rows alone."""
    user = current_user(request)
    q = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    rows = Batch.objects.for_user(user).prefetch_related("columns")
    rows = rows.filter(name__icontains=q) if q else rows
    page = Paginator(rows, BATCHES_PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    counted = Batch.objects.filter(pk__in=[row.pk for row in shown]).counted().order_by()
    counts = {row.pk: row for row in counted}
    context = {
        "page": page,
        "rows": [(row, counts[row.pk]) for row in shown],
        "q": q,
        "has_batches": bool(shown) or bool(q),
        "is_live": any(row.is_running for row in shown),
    }
    is_part = request.htmx and request.htmx.target == "batches"  # type: ignore[attr-defined]
    name = "chat/batch/list.html#rows" if is_part else "chat/batch/list.html"
    return render(request, name, context)


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """`?from=<id>`: again, with what may be changed; `?dataset=` and `?prompt=` choose a source."""
    user = current_user(request)
    origin = _origin(user, request.POST.get("origin") or request.GET.get("from", ""))
    models = services.usable_models(user)
    form = BatchForm(
        request.POST or None,
        request.FILES or None,
        user=user,
        offered=models,
        origin=origin,
        initial=initial_of(origin) if origin else _chosen(request),
    )
    if form.is_valid():
        try:
            batch = batches.create(owner=user, request=request, **form.wanted())
        except ValidationError as error:
            form.refuse(error)
        else:
            return redirect("batches:detail", batch.pk)
    context = {
        "form": form,
        "origin": origin,
        "has_models": models.exists(),
        **{name: form.group(name) for name in form.groups},
        **form.opened(),
    }
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "chat/batch/form.html", context, status=status)


def _origin(user: User, batch_id: str) -> Batch | None:
    rows = Batch.objects.for_user(user)
    return owned_or_404(rows, pk=batch_id) if batch_id else None


def _chosen(request: HttpRequest) -> dict[str, Any]:
    for source in ("dataset", "prompt"):
        if chosen := request.GET.get(source):
            return {"source": source, source: chosen}
    return {}


def _batch(request: HttpRequest, batch_id: UUID) -> Batch:
    return owned_or_404(Batch.objects.for_user(current_user(request)), pk=batch_id)


def _act(
    request: HttpRequest,
    batch_id: UUID,
    verb: Callable[..., Any],
    said: Callable[[Any], str] = lambda _done: "",
) -> HttpResponse:
    """`said`: what to tell of what `verb` gave, if anything."""
    batch = _batch(request, batch_id)
    try:
        done = verb(batch=batch, actor=current_user(request), request=request)
    except WrongState as error:
        messages.error(request, error.message)
    else:
        if text := said(done):
            messages.success(request, text)
    return redirect("batches:detail", batch.pk)


@require_POST
def start(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    return _act(request, batch_id, batches.start)


@require_POST
def pause(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    text = _("Paused. Answers that are being written come to their end.")
    return _act(request, batch_id, batches.pause, lambda _done: text)


@require_POST
def resume(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    return _act(request, batch_id, batches.resume)


@require_POST
def cancel(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    text = _("Cancelled. What is answered stays.")
    return _act(request, batch_id, batches.cancel, lambda _done: text)


@require_POST
def retry(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    def said(count: int) -> str:
        text = ngettext("%(n)d call is made again.", "%(n)d calls are made again.", count)
        return text % {"n": count}

    return _act(request, batch_id, batches.retry, said)


@require_POST
def delete(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    batch = _batch(request, batch_id)
    try:
        batches.delete(batch=batch, actor=current_user(request), request=request)
    except WrongState as error:
        messages.error(request, error.message)
        return redirect("batches:detail", batch.pk)
    messages.success(request, _("The comparison is deleted."))
    return redirect("batches:list")
