"""Pages of a file whose columns are not known yet: look, map, import."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.access import current_user, owned_or_404
from training import drafts
from training.dataset_forms import MappingForm
from training.dataset_texts import explain, reason, reasons_of, status_of
from training.formats.problems import Refusal
from training.models import Dataset, DatasetDraft


def _owned(request: HttpRequest, draft_id: UUID) -> DatasetDraft:
    return owned_or_404(DatasetDraft.objects.for_user(current_user(request)), pk=draft_id)


@require_http_methods(["GET", "HEAD", "POST"])
def mapping(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """The form; a POST with `import` imports, one without only shows what would become of it."""
    draft = _owned(request, draft_id)
    form = _form(request, draft)
    status = 200
    if request.POST.get("action") == "import" and form.is_valid():
        try:
            return _imported(request, draft, form)
        except ValidationError as error:
            form.add_mapping_errors(error)
            status = 422
        except Refusal as refusal:
            form.add_error(None, " ".join([explain(refusal), *reasons_of(refusal.rejections)[:3]]))
            status = status_of(refusal)
    context = {"draft": draft, "form": form, "look": form.look, **_preview(draft, form)}
    part = "#mapping" if request.headers.get("HX-Request") else ""
    status = 422 if status == 200 and form.errors else status
    return render(request, f"training/dataset_mapping.html{part}", context, status=status)


def _form(request: HttpRequest, draft: DatasetDraft) -> MappingForm:
    data = request.POST.dict() if request.method == "POST" else None
    options = MappingForm.options_in(data or {})
    try:
        look, wrong = drafts.look(draft, options), None
    except ValidationError as error:
        look, wrong = drafts.look(draft), error
    form = MappingForm(data, look=look, name=draft.name)
    form.is_valid()
    if wrong is not None:
        form.add_mapping_errors(wrong)
    return form


def _preview(draft: DatasetDraft, form: MappingForm) -> dict[str, Any]:
    """The first records as they would be stored; without, what stands against it."""
    if form.look.refusal is not None:
        return {"refused": explain(form.look.refusal)}
    try:
        chosen = drafts.checked_mapping(form.format, form.columns, form.roles)
        rows = drafts.preview(draft, form.options, chosen)
    except ValidationError:
        return {"is_incomplete": True}
    except Refusal as refusal:
        return {"refused": explain(refusal)}
    return {
        "rows": [
            {
                "line": row.line,
                "record": row.record,
                "turns": row.turns,
                "reason": reason(row.problem.code, row.problem.params) if row.problem else "",
            }
            for row in rows
        ]
    }


def _imported(request: HttpRequest, draft: DatasetDraft, form: MappingForm) -> HttpResponse:
    chosen = drafts.checked_mapping(form.format, form.columns, form.roles)
    made = drafts.begin_import(
        draft=draft,
        options=form.options,
        mapping=chosen,
        name=form.cleaned_data["name"],
        request=request,
    )
    if isinstance(made, Dataset):
        text = ngettext("%(count)s record is ready.", "%(count)s records are ready.", made.records)
        messages.success(request, text % {"count": f"{made.records:,}"})
        url = reverse("datasets:detail", args=[made.pk])
    else:
        url = reverse("datasets:work", args=[made.pk])
    return HttpResponseClientRedirect(url) if request.headers.get("HX-Request") else redirect(url)


@require_POST
def discard(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    draft = _owned(request, draft_id)
    if drafts.discard(draft=draft, actor=current_user(request), request=request):
        messages.success(request, _("“%(name)s” is discarded.") % {"name": draft.file_name})
    else:
        messages.error(request, _("It is being imported."))
    return redirect("datasets:list")
