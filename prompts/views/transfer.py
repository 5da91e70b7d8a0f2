"""Prompts out into a file, and in from one."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import current_user
from prompts import transfer
from prompts.forms import ImportForm
from prompts.models import Prompt, PromptQuerySet
from prompts.selection import Selection
from prompts.views.access import UNPROCESSABLE, readable


def _file(rows: PromptQuerySet, name: str) -> HttpResponse:
    whole = rows.prefetch_related("tag_rows", "versions__author", "labels__version")
    answer = JsonResponse(
        transfer.exported(whole), json_dumps_params={"ensure_ascii": False, "indent": 2}
    )
    header = content_disposition_header(as_attachment=True, filename=f"{name}.json")
    answer.headers["Content-Disposition"] = header or "attachment"
    return answer


@require_safe
def export(request: HttpRequest) -> HttpResponse:
    """What the list shows with the same address."""
    user = current_user(request)
    seen = Prompt.objects.for_user(user).in_language(get_language() or "")
    return _file(Selection.of(request.GET).apply(seen, user)[: transfer.ENTRIES_MAX], "prompts")


@require_safe
def export_one(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = readable(request, prompt_id)
    return _file(Prompt.objects.filter(pk=prompt.pk), prompt.title.replace("/", "-")[:100])


@require_http_methods(["GET", "HEAD", "POST"])
def import_file(request: HttpRequest) -> HttpResponse:
    """What became of each entry, on the same page."""
    is_sent = request.method == "POST"
    form = ImportForm(request.POST, request.FILES) if is_sent else ImportForm()
    report = None
    if is_sent and form.is_valid():
        try:
            data = form.cleaned_data["file"].read(transfer.FILE_MAX_BYTES + 1)
            entries = transfer.read(data)
            report = transfer.import_prompts(
                actor=current_user(request), entries=entries, request=request
            )
        except ValidationError as error:
            form.add_error(None, error)
    status = UNPROCESSABLE if form.errors else 200
    context = {"form": form, "report": report}
    return render(request, "prompts/import.html", context, status=status)
