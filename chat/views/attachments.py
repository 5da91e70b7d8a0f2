"""Files of a question: chosen in the composer, shown with the question afterwards."""

from typing import BinaryIO, cast
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from chat import attachments
from chat.models import Attachment

TEMPLATE = "chat/attachment_chip.html"


@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """A chip for the composer; with 422 one that says why the file cannot be taken."""
    file = request.FILES.get("file")
    if file is None:
        return HttpResponse(status=400)
    name = file.name or ""
    try:
        kept = attachments.keep(
            owner=current_user(request), file=cast(BinaryIO, file.file), name=name
        )
    except ValidationError as error:
        problem = " ".join(error.messages)
        return render(request, TEMPLATE, {"name": name, "problem": problem}, status=422)
    return render(request, TEMPLATE, {"file": kept}, status=201)


def _owned(request: HttpRequest, attachment_id: UUID) -> Attachment:
    return owned_or_404(Attachment.objects.for_user(current_user(request)), pk=attachment_id)


@require_safe
def content(request: HttpRequest, attachment_id: UUID) -> HttpResponseBase:
    """`?size=small`: a thumbnail."""
    is_small = request.GET.get("size") == "small"
    rows = Attachment.objects.readable_by(current_user(request))
    answer = attachments.answer(owned_or_404(rows, pk=attachment_id), small=is_small)
    if answer is None:
        raise Http404
    return answer


@require_POST
def remove(request: HttpRequest, attachment_id: UUID) -> HttpResponse:
    """What is sent already stays with its question."""
    attachments.remove(attachment=_owned(request, attachment_id))
    return HttpResponse(status=204)
