"""The documents of a base: the list, adding, one with its chunks beside the page, its file."""

from typing import Any, BinaryIO, cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.forms import Form
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user
from knowledge import documents, fields, passages, showing
from knowledge.access import manageable, manageable_document, readable, readable_document
from knowledge.forms import MetadataForm
from knowledge.models import OPEN, Base, Chunk, Document, DocumentStatus, SpaceStatus
from llmplatform.text import number_of, searched

PER_PAGE = 50
CHUNKS_PER_PAGE = 30
FILES_AT_ONCE = 200
UNPROCESSABLE = 422


@require_safe
def index(request: HttpRequest, base_id: int) -> HttpResponse:
    base = readable(request, base_id)
    if not base.is_own:
        return redirect("knowledge:try", base.pk)
    context = _list(request, base)
    context["is_part"] = is_part = request.headers.get("HX-Target") == "documents"
    template = "knowledge/detail.html#documents" if is_part else "knowledge/detail.html"
    return render(request, template, context)


def _list(request: HttpRequest, base: Base) -> dict[str, Any]:
    words, status = searched(request.GET.get("q", "")), request.GET.get("status", "")
    rows = base.documents.all()
    rows = rows.filter(name__icontains=words) if words else rows
    rows = rows.filter(status=status) if status in DocumentStatus.values else rows
    building = base.spaces.filter(status=SpaceStatus.BUILDING).first()
    return {
        "base": base,
        "tab": "documents",
        "page": Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
        "q": words,
        "status": status,
        "statuses": DocumentStatus.choices,
        "building": building,
        "is_busy": building is not None or base.documents.filter(status__in=OPEN).exists(),
        "may_manage": base.owner_id == current_user(request).pk,
    }


@require_POST
def add(request: HttpRequest, base_id: int) -> HttpResponse:
    """Several files of one form; the page itself sends them one by one to the API."""
    base, user = manageable(request, base_id), current_user(request)
    added, problems = 0, list[str]()
    for file in request.FILES.getlist("files")[:FILES_AT_ONCE]:
        try:
            documents.add_document(
                base=base,
                file=cast(BinaryIO, file),
                name=file.name or "",
                actor=user,
                request=request,
            )
            added += 1
        except ValidationError as error:
            problems.append(f"{file.name}: {' '.join(error.messages)}")
    if added:
        text = ngettext("%(count)d document is added.", "%(count)d documents are added.", added)
        messages.success(request, text % {"count": added})
    if problems or not added:
        messages.error(request, " ".join(problems[:5]) or _("Choose files first."))
    return redirect("knowledge:detail", base.pk)


@require_safe
def detail(request: HttpRequest, document_id: int) -> HttpResponse:
    """`?start=&end=`: a passage to show, in characters of the text; `?page=` of chunks."""
    return _page(request, readable_document(request, document_id))


def _page(request: HttpRequest, document: Document, form: Form | None = None) -> HttpResponse:
    """`form`: of its metadata, with mistakes in it."""
    marked = showing.marked_range(document, request.GET.get("start"), request.GET.get("end"))
    rows = document.chunks.filter(edition=document.edition).order_by("position")
    asked = request.GET.get("page")
    if asked is None and marked is not None:
        before = rows.filter(end__lte=marked[0]).count()
        asked = str(before // CHUNKS_PER_PAGE + 1)
    page = Paginator(rows, CHUNKS_PER_PAGE).get_page(asked)
    context = {
        "base": document.base,
        "document": document,
        "page": page,
        "chunks": showing.shown(page.object_list, marked),
        "sheet": showing.sheet(document, list(page.object_list), marked, request.GET.get("sheet")),
        "touched": rows.touched().count(),
        "problem": showing.problem(document),
        "notes": showing.notes(document),
        "may_manage": document.base.owner_id == current_user(request).pk,
        "metadata_form": form
        or MetadataForm(initial={"metadata": fields.written(document.metadata)}),
        "metadata": [
            (name, value if isinstance(value, list) else [value])
            for name, value in document.metadata.items()
        ],
    }
    status = 200 if form is None else UNPROCESSABLE
    return render(request, "knowledge/document.html", context, status=status)


@require_POST
def describe(request: HttpRequest, document_id: int) -> HttpResponse:
    """Its fields for filters."""
    document, form = manageable_document(request, document_id), MetadataForm(request.POST)
    if not form.is_valid():
        return _page(request, document, form)
    documents.change_document(
        document=document,
        metadata=form.cleaned_data["metadata"],
        actor=current_user(request),
        request=request,
    )
    messages.success(request, _("The fields are saved."))
    return redirect("knowledge:document", document.pk)


@require_safe
def picture(request: HttpRequest, document_id: int) -> HttpResponse:
    """A page of a PDF, as PNG: `?number=`, from 1; `?width=` in pixels."""
    document = readable_document(request, document_id)
    number = number_of(request.GET.get("number", "1"), 6) or 0
    width = min(number_of(request.GET.get("width", ""), 5) or 900, 1800)
    content = showing.page_picture(document, number, width)
    if content is None:
        raise Http404
    response = HttpResponse(content, content_type="image/png")
    response["Cache-Control"] = "private, max-age=3600"
    return response


@require_safe
def file(request: HttpRequest, document_id: int) -> FileResponse:
    """As it was uploaded; never shown by the browser itself."""
    document = readable_document(request, document_id)
    if not document.file.is_file():
        raise Http404
    response = FileResponse(
        document.file.open("rb"), content_type="application/octet-stream", as_attachment=True
    )
    response["Content-Disposition"] = content_disposition_header(True, document.name) or ""
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
def passage(request: HttpRequest, document_id: int) -> HttpResponse:
    """`position`: which; `text` writes it otherwise (empty: as it was cut), `is_enabled` 0 or 1
    switches it."""
    document = manageable_document(request, document_id)
    address = reverse("knowledge:document", args=[document.pk])
    position = number_of(request.POST.get("position", ""), 9)
    wanted: dict[str, Any] = {}
    if "text" in request.POST:
        wanted["text"] = request.POST["text"].replace("\x00", "")
    if "is_enabled" in request.POST:
        wanted["is_enabled"] = request.POST["is_enabled"] == "1"
    try:
        chunk = passages.change_passage(
            document=document,
            position=-1 if position is None else position,
            actor=current_user(request),
            request=request,
            **wanted,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    except Chunk.DoesNotExist:
        messages.error(request, _("There is no such passage any more. Look at it again."))
        return redirect(address)
    else:
        messages.success(request, _("The passage is saved."))
        position = chunk.position
    page = (position or 0) // CHUNKS_PER_PAGE + 1
    return redirect(f"{address}?page={page}#passage-{position}")


@require_POST
def retry(request: HttpRequest, document_id: int) -> HttpResponse:
    document = manageable_document(request, document_id)
    if documents.read_again(document=document):
        messages.success(request, _("“%(name)s” is read again.") % {"name": document.name})
    else:
        messages.error(request, _("The document is in work already."))
    return redirect("knowledge:detail", document.base_id)


@require_POST
def retry_failed(request: HttpRequest, base_id: int) -> HttpResponse:
    base = manageable(request, base_id)
    say_read_again(request, documents.read_failed_again(base=base))
    return redirect("knowledge:detail", base.pk)


def say_read_again(request: HttpRequest, count: int) -> None:
    text = ngettext(
        "%(count)d document is read again.", "%(count)d documents are read again.", count
    )
    messages.success(request, text % {"count": count})


@require_POST
def switch(request: HttpRequest, document_id: int) -> HttpResponse:
    """On or off: whether it is searched."""
    document = manageable_document(request, document_id)
    changed = documents.change_document(
        document=document,
        is_enabled=not document.is_enabled,
        actor=current_user(request),
        request=request,
    )
    text = _("“%(name)s” is searched.") if changed.is_enabled else _("“%(name)s” is not searched.")
    messages.success(request, text % {"name": document.name})
    return redirect("knowledge:detail", document.base_id)


@require_POST
def delete(request: HttpRequest, document_id: int) -> HttpResponse:
    document = manageable_document(request, document_id)
    documents.delete_document(document=document, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": document.name})
    return redirect("knowledge:detail", document.base_id)
