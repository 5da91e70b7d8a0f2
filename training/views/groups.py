"""Pages of groups of trainings (sweeps) and of the templates people keep."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from training import job_templates, sweeps
from training.models import JobTemplate, Sweep


def _sweep(request: HttpRequest, sweep_id: UUID) -> Sweep:
    rows = Sweep.objects.for_user(current_user(request)).select_related("base_model", "dataset")
    return owned_or_404(rows, pk=sweep_id)


@require_safe
def sweep_list(request: HttpRequest) -> HttpResponse:
    rows = Sweep.objects.for_user(current_user(request)).select_related("base_model", "dataset")
    shown = [(sweep, sweeps.results(sweep)) for sweep in rows[:100]]
    return render(request, "training/sweep_list.html", {"sweeps": shown})


@require_safe
def sweep_detail(request: HttpRequest, sweep_id: UUID) -> HttpResponse:
    """The group; asked by htmx, its table alone."""
    sweep = _sweep(request, sweep_id)
    context = {"sweep": sweep, "results": sweeps.results(sweep)}
    name = "training/sweep.html"
    if request.htmx:  # type: ignore[attr-defined]
        name += "#table"
    return render(request, name, context)


@require_POST
def stop_sweep(request: HttpRequest, sweep_id: UUID) -> HttpResponse:
    sweep = _sweep(request, sweep_id)
    count = sweeps.stop_sweep(sweep=sweep, actor=current_user(request), request=request)
    text = ngettext("%(n)s training is being stopped.", "%(n)s trainings are being stopped.", count)
    messages.success(request, text % {"n": count})
    return redirect("training:sweep", sweep_id)


@require_safe
def template_list(request: HttpRequest) -> HttpResponse:
    """Their own and those that others share."""
    rows = JobTemplate.objects.for_user(current_user(request)).select_related("owner")
    return render(request, "training/template_list.html", {"templates": rows})


def _own_template(request: HttpRequest, template_id: int) -> JobTemplate:
    """What others share can be used, and is not there to be changed."""
    return owned_or_404(JobTemplate.objects.of_user(current_user(request)), pk=template_id)


@require_POST
def change_template(request: HttpRequest, template_id: int) -> HttpResponse:
    """Another name, or shared with everyone or no longer."""
    template = _own_template(request, template_id)
    shared = {"yes": True, "no": False}.get(request.POST.get("shared", ""))
    try:
        job_templates.change_template(
            template=template,
            actor=current_user(request),
            name=request.POST.get("name"),
            is_shared=shared,
            request=request,
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    return redirect("training:templates")


@require_POST
def delete_template(request: HttpRequest, template_id: int) -> HttpResponse:
    template = _own_template(request, template_id)
    name = template.name
    job_templates.delete_template(template=template, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": name})
    return redirect("training:templates")
