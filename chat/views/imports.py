"""Importing chats: a file, what is in it, and what became of it."""

from datetime import datetime
from typing import Any, BinaryIO, cast
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from chat.forms import ImportForm
from chat.importing import texts, work
from chat.models import ChatImport

SHOWN = 20


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    user, is_sent = current_user(request), request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
    if is_sent and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            row = work.begin(
                owner=user,
                file=cast(BinaryIO, file.file),
                file_name=file.name or "",
                size_bytes=file.size or 0,
            )
        except ValidationError as error:
            form.add_error("file", list(error.messages))
        else:
            return _to(request, reverse("chat:import", args=[row.pk]))
    context = {
        "form": form,
        "max_bytes": work.MAX_BYTES,
        "imports": ChatImport.objects.for_user(user)[:SHOWN],
    }
    part = "#form" if "HX-Request" in request.headers else ""
    status = 422 if is_sent else 200
    return render(request, f"chat/imports.html{part}", context, status=status)


def _to(request: HttpRequest, url: str) -> HttpResponse:
    return HttpResponseClientRedirect(url) if "HX-Request" in request.headers else redirect(url)


def _owned(request: HttpRequest, import_id: UUID) -> ChatImport:
    return owned_or_404(ChatImport.objects.for_user(current_user(request)), pk=import_id)


@require_safe
def detail(request: HttpRequest, import_id: UUID) -> HttpResponse:
    """What is in the file, how far it is, what became of it; with htmx the part that changes."""
    part = "#state" if "HX-Request" in request.headers else ""
    return render(request, f"chat/import.html{part}", _shown(_owned(request, import_id)))


def _shown(row: ChatImport) -> dict[str, Any]:
    return {
        "import": row,
        "problem": texts.problem(row.error_code, row.error_values) if row.error_code else "",
        "left_out": texts.left_out(row.counts),
        "listed": [_listed(each) for each in row.listed],
        "unlisted": row.counts.get("chats", 0) - len(row.listed),
        "skipped": [
            {**each, "why": texts.reason(each["code"], each["values"])} for each in row.skipped
        ],
        "unlisted_skips": row.counts.get("skipped", 0) - len(row.skipped),
    }


def _listed(each: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(each["at"]) if each["at"] else None
    return {
        **each,
        "at": at,
        "state_text": texts.state(each["state"]),
        "source": texts.source(each["source"]),
    }


@require_POST
def start(request: HttpRequest, import_id: UUID) -> HttpResponse:
    row = _owned(request, import_id)
    try:
        work.start(row=row, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("chat:import", import_id)


@require_POST
def discard(request: HttpRequest, import_id: UUID) -> HttpResponse:
    work.discard(row=_owned(request, import_id))
    messages.success(request, _("The file and its report are deleted."))
    return redirect("chat:imports")
