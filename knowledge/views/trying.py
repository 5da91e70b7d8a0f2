"""Trying a search, and how well saved questions are answered."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user
from knowledge import assessing, fields, filtering, finding
from knowledge.access import manageable, readable
from knowledge.forms import FilterForms, QuestionsForm, TryForm
from knowledge.index import Filters
from knowledge.models import Assessment, AssessmentStatus, Base
from knowledge.remarks import told
from knowledge.types import Found, Passage

UNPROCESSABLE = 422
SHOWN = 20
FILTERS = "filter-TOTAL_FORMS"


@dataclass(frozen=True)
class Tried:
    """One column of the page."""

    settings: finding.Settings
    found: Found
    remarks: list[str]

    @property
    def rows(self) -> list[Passage]:
        return list(self.found.passages)

    @property
    def total_ms(self) -> float:
        return self.found.timings_ms.get("total", 0.0)


@require_http_methods(["GET", "HEAD", "POST"])
def search(request: HttpRequest, base_id: int) -> HttpResponse:
    base = readable(request, base_id)
    form = TryForm(request.POST or None, initial=TryForm.filled(base))
    filters = FilterForms(request.POST if FILTERS in request.POST else None, prefix="filter")
    tried: list[Tried] = []
    is_wrong = filters.is_bound and not filters.is_valid()
    if form.is_bound and form.is_valid() and not is_wrong:
        wanted = _filters(filters)
        tried.append(_tried(request, base, form, "", wanted))
        if form.cleaned_data["is_compared"]:
            tried.append(_tried(request, base, form, "other_", wanted))
    context = {
        "base": base,
        "form": form,
        "filters": filters,
        "field_names": fields.names(base.documents.only("metadata")[: fields.LOOKED_AT]),
        "tried": tried,
        "tab": "try",
        "may_manage": base.owner_id == current_user(request).pk,
    }
    is_part = bool(request.headers.get("HX-Request"))
    template = "knowledge/try.html#results" if is_part else "knowledge/try.html"
    return render(
        request, template, context, status=UNPROCESSABLE if form.errors or is_wrong else 200
    )


def _filters(rows: Any) -> Filters | None:
    conditions = [row.condition for row in rows if row.condition] if rows.is_bound else []
    return filtering.read({"conditions": conditions}) if conditions else None


def _tried(
    request: HttpRequest, base: Base, form: TryForm, prefix: str, filters: Filters | None
) -> Tried:
    settings = finding.Settings.of(base, merge=False, filters=filters, **form.settings(prefix))
    question = form.cleaned_data["question"]
    found = finding.find_in(base, question, user=current_user(request), settings=settings)
    return Tried(settings, found, [told(remark) for remark in found.remarks])


@require_http_methods(["GET", "HEAD", "POST"])
def quality(request: HttpRequest, base_id: int) -> HttpResponse:
    """Saved questions, and how often the right passage was found. POST: a file of questions."""
    base = manageable(request, base_id)
    form = QuestionsForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            content = form.cleaned_data["file"].read(assessing.MAX_FILE_BYTES + 1)
            added = assessing.add_questions(
                base=base,
                asked=assessing.read_questions(content),
                actor=current_user(request),
                request=request,
            )
        except ValidationError as error:
            form.add_error("file", error.messages)
        else:
            text = ngettext("%(count)d question is new.", "%(count)d questions are new.", added)
            messages.success(request, text % {"count": added})
            return redirect("knowledge:quality", base.pk)
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "knowledge/quality.html", _quality(base, form), status=status)


def _quality(base: Base, form: QuestionsForm) -> dict[str, Any]:
    rows = list(base.assessments.all()[:SHOWN])
    done = [row for row in rows if row.status == AssessmentStatus.DONE]
    return {
        "base": base,
        "form": form,
        "tab": "quality",
        "may_manage": True,
        "questions": base.questions.all()[:SHOWN],
        "question_count": base.questions.count(),
        "assessments": rows,
        "curve": _curve(done[::-1]),
        "missed": _missed(base, done[0]) if done else [],
        "is_busy": any(row.status in ("queued", "running") for row in rows),
    }


def _curve(rows: list[Assessment]) -> dict[str, Any]:
    """For the chart component: each measure over the assessments, oldest first."""
    names = ("recall@1", "recall@5", "mrr@10", "ndcg@10")
    return {
        "series": [
            {"name": name, "points": [[n, row.scores[name]] for n, row in enumerate(rows, 1)]}
            for name in names
        ]
    }


def _missed(base: Base, assessment: Assessment) -> list[Any]:
    """Questions whose passage was not among the first ten."""
    pks = [pk for pk, rank in assessment.ranks if not rank]
    return list(base.questions.filter(pk__in=pks[:SHOWN]))


@require_POST
def assess(request: HttpRequest, base_id: int) -> HttpResponse:
    base = manageable(request, base_id)
    try:
        assessing.start(base=base, actor=current_user(request), request=request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("The questions are being asked."))
    return redirect("knowledge:quality", base.pk)


@require_POST
def forget_questions(request: HttpRequest, base_id: int) -> HttpResponse:
    base = manageable(request, base_id)
    assessing.delete_questions(base=base, actor=current_user(request), request=request)
    messages.success(request, _("The questions are deleted."))
    return redirect("knowledge:quality", base.pk)


@require_safe
def sample(request: HttpRequest) -> HttpResponse:
    """What a file of questions looks like."""
    content = "question,passage,document\r\n"
    response = HttpResponse("\ufeff" + content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="questions.csv"'
    return response
