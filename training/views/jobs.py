"""Pages of training jobs: list, new, job, report."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from training import report_files, reports, services
from training.argument_table import ARGUMENTS, BLOCKED, WHY_BLOCKED, Blocked
from training.checks import has_gpu
from training.curves import add_sparklines
from training.errors import StateConflict
from training.events import notes_context, page_context, samples_context
from training.forms import METHOD_HELP, STAGE_HELP, JobForm
from training.models import BaseModel, Dataset, Method, Stage, Status, TrainingJob
from training.models.workloads import ACTIVE
from training.presets import preset_buttons, preset_values
from training.previews import Preview, preview
from training.scheduling import queue_position
from training.template_detection import detected_template

JOBS_PER_PAGE = 30
RELATED = ("node", "version", "base_model", "dataset")
VERBS = {
    "start": services.start,
    "pause": services.pause,
    "resume": services.resume,
    "stop": services.stop,
}


def _listed(user: User) -> Any:
    """What runs, then the queue, then what waits for a person, then the rest; newest first."""
    rank = Case(
        When(status__in=ACTIVE, then=Value(0)),
        When(status=Status.PENDING, desired="run", then=Value(1)),
        When(status__in=(Status.PAUSED, Status.PENDING), then=Value(2)),
        default=Value(3),
        output_field=IntegerField(),
    )
    rows = TrainingJob.objects.for_user(user).select_related("node", "base_model", "dataset")
    return rows.annotate(rank=rank).order_by("rank", "-created_at")


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """The list; asked by htmx, its table alone."""
    rows = _listed(current_user(request))
    page = Paginator(rows, JOBS_PER_PAGE).get_page(request.GET.get("page"))
    jobs = list(page.object_list)
    add_sparklines(jobs)
    for job in jobs:
        job.position = queue_position(job)
    page.object_list = jobs
    context = {"page": page, "is_live": any(not job.is_final for job in jobs)}
    name = "training/list.html#table" if request.htmx else "training/list.html"  # type: ignore[attr-defined]
    return render(request, name, context)


def _clone_of(user: User, raw: str) -> dict[str, Any]:
    if not raw:
        return {}
    job = owned_or_404(TrainingJob.objects.for_user(user), pk=raw)
    chosen = {"base_model": job.base_model_id, "dataset": job.dataset_id}
    name = {"name": _next_name(user, job.name), "stage": job.stage, "method": job.method}
    prompts = {"sample_prompts": "\n".join(job.sample_prompts)}
    return {**chosen, **name, **prompts, **job.parameters}


def _next_name(user: User, name: str) -> str:
    """identity, identity-2, identity-3 …"""
    stem, _dash, number = name.rpartition("-")
    stem = stem if stem and number.isdecimal() else name
    taken = set(TrainingJob.objects.for_user(user).values_list("name", flat=True))
    free = (f"{stem[:90]}-{i}" for i in range(2, len(taken) + 3))
    return next(found for found in free if found not in taken)


def _initial(request: HttpRequest, user: User) -> dict[str, Any]:
    """From ?clone=, ?dataset=, ?base_model= and ?preset=."""
    initial = _clone_of(user, request.GET.get("clone", ""))
    if (wanted := request.GET.get("dataset", "")).isdecimal():
        dataset = Dataset.objects.for_user(user).filter(pk=wanted).first()
        if dataset is not None:
            initial |= {"dataset": dataset.pk, "name": dataset.name}
            if dataset.stages and initial.get("stage") not in dataset.stages:
                initial["stage"] = dataset.stages[0]
    if (wanted := request.GET.get("base_model", "")).isdecimal():
        initial["base_model"] = int(wanted)
    elif "base_model" not in initial:
        initial["base_model"] = _only(BaseModel.objects.for_user(user).ready())
    if initial.get("base_model") and "template" not in initial:
        model = BaseModel.objects.for_user(user).filter(pk=initial["base_model"]).first()
        initial["template"] = detected_template(model) if model else ""
    stage, method = initial.get("stage", Stage.SFT), initial.get("method", Method.LORA)
    slug = request.GET.get("preset", "")
    initial |= preset_values(slug, stage=stage, method=method, has_bf16=has_gpu())
    return {name: value for name, value in initial.items() if value is not None}


def _blocked() -> list[Blocked]:
    """With those whose package the training environment lacks."""
    lacking: dict[str, list[str]] = {}
    for argument in ARGUMENTS:
        if not argument.is_installed:
            lacking.setdefault(argument.package, []).append(argument.name)
    text = _("This needs the package %(package)s in the training environment.")
    rows = [
        Blocked("package", text % {"package": package}, tuple(names))
        for package, names in lacking.items()
    ]
    return [*BLOCKED, *rows]


def _only(rows: Any) -> int | None:
    """The one there is, or None."""
    found = list(rows.values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    if request.method == "POST":
        form = JobForm(request.POST, user=user)
        job = _create(request, form) if form.is_valid() else None
        if job is not None:
            messages.success(request, _("“%(name)s” is in the queue.") % {"name": job.name})
            return redirect("training:detail", job.pk)
        return render(request, "training/new.html", _form_context(user, form), status=422)
    form = JobForm(user=user, initial=_initial(request, user))
    return render(request, "training/new.html", _form_context(user, form))


def _form_context(user: User, form: JobForm) -> dict[str, Any]:
    stage, method = form.chosen
    return {
        "form": form,
        "groups": form.groups(),
        "stage": stage,
        "method": method,
        "presets": preset_buttons(has_bf16=has_gpu()),
        "blocked": _blocked(),
        "why_no_ppo": WHY_BLOCKED["ppo_epochs"],
        "model_templates": form.model_templates(),
        "stage_helps": list(STAGE_HELP.items()),
        "method_helps": list(METHOD_HELP.items()),
        "dataset_stages": form.dataset_stages(),
        "has_models": BaseModel.objects.for_user(user).exists(),
        "has_datasets": Dataset.objects.for_user(user).exists(),
    }


def _create(request: HttpRequest, form: JobForm) -> TrainingJob | None:
    """None when it is refused; the form then says why."""
    chosen = {name: form.cleaned_data[name] for name in ("name", "base_model", "dataset")}
    stage, method = form.chosen
    try:
        return services.create_job(
            owner=current_user(request),
            **chosen,
            stage=stage,
            method=method,
            parameters=form.parameters(),
            sample_prompts=form.cleaned_data["sample_prompts"].splitlines(),
            allow_too_large=form.cleaned_data["allow_too_large"],
            request=request,
        )
    except ValidationError as error:
        _add_errors(form, error)
        return None


def _add_errors(form: JobForm, error: ValidationError) -> None:
    for name, texts in error.message_dict.items():
        has_place = name in form.fields and name != "allow_too_large"
        form.add_error(name if has_place else None, texts)


@require_POST
def show_preview(request: HttpRequest) -> HttpResponse:
    """The card beside the form: what stands against it, memory, steps, time, YAML."""
    user = current_user(request)
    form = JobForm(request.POST, user=user)
    shown: Preview | None = None
    missing: list[str] = []
    if form.is_valid() or not {"base_model", "dataset", "stage", "method"} & form.errors.keys():
        shown = _preview(form)
    else:
        wanted = ("base_model", "dataset")
        missing = [str(form.fields[name].label) for name in wanted if name in form.errors]
    problems = [
        {
            "name": name,
            "label": form.fields[name].label if name in form.fields else "",
            "texts": texts,
        }
        for name, texts in form.errors.items()
        if name != "name" and form.data.get(name)
    ]
    context = {"preview": shown, "problems": problems, "missing": missing, "form": form}
    return render(request, "training/preview.html", context)


def _preview(form: JobForm) -> Preview | None:
    """None when create_job() would refuse it; the form then says why."""
    stage, method = form.chosen
    try:
        return preview(
            name=form.cleaned_data.get("name", ""),
            base_model=form.cleaned_data["base_model"],
            dataset=form.cleaned_data["dataset"],
            stage=stage,
            method=method,
            parameters=form.parameters(),
        )
    except ValidationError as error:
        _add_errors(form, error)
        return None


def _job(request: HttpRequest, job_id: UUID) -> TrainingJob:
    rows = TrainingJob.objects.for_user(current_user(request)).select_related(*RELATED)
    return owned_or_404(rows, pk=job_id)


@require_safe
def detail(request: HttpRequest, job_id: UUID) -> HttpResponse:
    job = _job(request, job_id)
    context = page_context(job) | notes_context(job) | samples_context(job)
    context |= {"yaml": reports.configuration_of(job), "verbs": tuple(VERBS)}
    return render(request, "training/job.html", context)


@require_POST
def act(request: HttpRequest, job_id: UUID, verb: str) -> HttpResponse:
    """Start, pause, resume or stop. The socket tells the page what came of it."""
    job, trouble = _job(request, job_id), ""
    try:
        VERBS[verb](workload=job, actor=current_user(request), request=request)
    except StateConflict as error:
        trouble = error.message
    if request.htmx:  # type: ignore[attr-defined]
        answer = HttpResponse(status=204)
        if trouble:
            answer.headers["HX-Trigger"] = json.dumps(
                {"toast": {"level": "error", "text": trouble}}
            )
        return answer
    if trouble:
        messages.error(request, trouble)
    return redirect("training:detail", job_id)


@require_POST
def delete(request: HttpRequest, job_id: UUID) -> HttpResponse:
    job = _job(request, job_id)
    try:
        services.delete_job(job=job, actor=current_user(request), request=request)
    except StateConflict as error:
        messages.error(request, error.message)
        return redirect("training:detail", job_id)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": job.name})
    return redirect("training:list")


@require_safe
def report(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A page; ?format=md or pdf downloads it."""
    job = _job(request, job_id)
    if (kind := request.GET.get("format", "")) in ("md", "pdf"):
        return report_files.response(job, kind)
    return render(request, "training/report.html", {"job": job, "report": reports.report_of(job)})
