"""SwanLab's own board of a job's local run."""

from collections.abc import Callable
from uuid import UUID

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import current_user, owned_or_404
from training import boards
from training.models import TrainingJob

# The board compiles its own texts, sets styles and starts workers; a base element has its address.
POLICY = {
    "script-src": [SELF, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "worker-src": [SELF, "blob:"],
    "base-uri": [SELF],
}


def _why(code: str) -> str:
    texts = {
        "none": _("This machine does not see the files of the run, which its node keeps."),
        "environment": _("This machine has no training environment, which the board is part of."),
        "full": _("Too many boards are open. Those that nobody looks at close within 5 minutes."),
    }
    return texts.get(
        code, _("The board did not start; board.log in the folder of the job says why.")
    )


def _theirs(found: boards.Answer, rest: str) -> Callable[[HttpRequest], HttpResponseBase]:
    @csp_replace(POLICY)
    def show(request: HttpRequest) -> HttpResponse:
        answer = HttpResponse(found.body, status=found.status, content_type=found.content_type)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if rest.startswith("assets/"):
            answer.headers["Cache-Control"] = "private, max-age=3600"
        return answer

    return show


@require_safe
def board(request: HttpRequest, job_id: UUID, rest: str = "") -> HttpResponseBase:
    rows = TrainingJob.objects.for_user(current_user(request))
    job = owned_or_404(rows, pk=job_id)
    if not boards.has_board(job):
        raise Http404
    root = reverse("training:board", args=[job.pk]).rstrip("/")
    query = request.META.get("QUERY_STRING", "")
    try:
        found = boards.fetch(job, rest, query, root=root)
    except boards.BoardAway as error:
        context = {"job": job, "why": _why(error.code)}
        return render(request, "training/board_away.html", context, status=503)
    return _theirs(found, rest)(request)
