"""The form of a new training: filled from elsewhere, judged while somebody types, sent."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import current_user, owned_or_404
from accounts.models import User
from llmplatform.text import number_of
from training import configurations, job_templates, services, sweeps
from training.argument_table import ARGUMENTS, BLOCKED, BY_NAME, WHY_BLOCKED, Blocked
from training.checks import Chosen, has_gpu
from training.job_forms import METHOD_HELP, STAGE_HELP, ImportForm, JobForm
from training.models import (
    BaseModel,
    Dataset,
    JobTemplate,
    Method,
    ModelVersion,
    Stage,
    Sweep,
    TrainingJob,
)
from training.presets import preset_buttons, preset_values
from training.previews import Preview, preview
from training.repairs import Repair, repair_of
from training.sweeps import Plan
from training.template_detection import detected_template

# What a clone takes over besides what is trained how.
CLONED = ("processes", "strategy", "priority", "max_hours", "idle_minutes")


def _clone_of(user: User, raw: str) -> dict[str, Any]:
    if not raw:
        return {}
    job = owned_or_404(TrainingJob.objects.for_user(user), pk=raw)
    chosen: dict[str, Any] = {"base_model": job.base_model_id, "dataset": job.dataset_id}
    chosen |= {"eval_dataset": job.eval_dataset_id}
    name = {"name": _next_name(user, job.name), "stage": job.stage, "method": job.method}
    sharing = {field: getattr(job, field) for field in CLONED} | {"nodes": job.node_count}
    prompts = {"sample_prompts": "\n".join(job.sample_prompts)}
    return {**chosen, **name, **sharing, **prompts, **job.parameters}


def _repair(request: HttpRequest, user: User) -> Repair | None:
    """What ?clone=…&repair=1 changes in the failed job."""
    if not request.GET.get("repair") or not request.GET.get("clone"):
        return None
    jobs = TrainingJob.objects.for_user(user)
    return repair_of(owned_or_404(jobs, pk=request.GET["clone"]))


def _next_name(user: User, name: str) -> str:
    """identity, identity-2, identity-3 …"""
    stem, _dash, number = name.rpartition("-")
    stem = stem if stem and number.isdecimal() else name
    taken = set(TrainingJob.objects.for_user(user).values_list("name", flat=True))
    free = (f"{stem[:90]}-{i}" for i in range(2, len(taken) + 3))
    return next(found for found in free if found not in taken)


def _initial(request: HttpRequest, user: User) -> dict[str, Any]:
    """From ?clone=, ?template=, ?dataset=, ?base_model= and ?preset=."""
    initial = _clone_of(user, request.GET.get("clone", ""))
    if repair := _repair(request, user):
        initial |= repair.values
    if wanted := request.GET.get("template", ""):
        templates = JobTemplate.objects.for_user(user)
        initial |= job_templates.initial_of(owned_or_404(templates, pk=wanted), user)
    wanted_id = number_of(request.GET.get("dataset", "")) or 0
    dataset = Dataset.objects.for_user(user).filter(pk=wanted_id).first()
    if dataset is not None:
        initial |= {"dataset": dataset.pk, "name": dataset.name}
        if dataset.stages and initial.get("stage") not in dataset.stages:
            initial["stage"] = dataset.stages[0]
    if (model_id := number_of(request.GET.get("base_model", ""))) is not None:
        initial["base_model"] = model_id
    elif "base_model" not in initial:
        initial["base_model"] = _only(BaseModel.objects.for_user(user).ready())
    initial |= _continued(user, request.GET.get("version", ""))
    if initial.get("base_model") and "template" not in initial:
        model = BaseModel.objects.for_user(user).filter(pk=initial["base_model"]).first()
        initial["template"] = detected_template(model) if model else ""
    stage, method = initial.get("stage", Stage.SFT), initial.get("method", Method.LORA)
    slug = request.GET.get("preset", "")
    initial |= preset_values(slug, stage=stage, method=method, has_bf16=has_gpu())
    return {name: value for name, value in initial.items() if value is not None}


def _continued(user: User, raw: str) -> dict[str, Any]:
    """The beginning of a training that takes a version further."""
    versions = ModelVersion.objects.for_user(user).select_related("family")
    version = versions.filter(pk=number_of(raw) or 0).first()
    if version is None:
        return {}
    chosen = {"start_version": version.pk, "base_model": version.base_model_id}
    method = version.lineage.get("method") if version.is_adapter else None
    name = version.family.name if version.family else version.name
    return chosen | {"name": _next_name(user, name)} | ({"method": method} if method else {})


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


@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """A job, or a group of them where several values are to be tried."""
    user = current_user(request)
    if request.method == "POST":
        form = JobForm(request.POST, user=user)
        made = _create(request, form) if form.is_valid() else None
        if isinstance(made, Sweep):
            count = made.jobs.count()
            text = ngettext("%(n)s training is queued.", "%(n)s trainings are queued.", count)
            messages.success(request, text % {"n": count})
            return redirect("training:sweep", made.pk)
        if made is not None:
            messages.success(request, _("“%(name)s” is in the queue.") % {"name": made.name})
            return redirect("training:detail", made.pk)
        return _page(request, form, status=422)
    form = JobForm(user=user, initial=_initial(request, user))
    return _page(request, form, repair=_repair(request, user))


@require_POST
def save_template(request: HttpRequest) -> HttpResponse:
    """Keeps stage, method and parameters of the form; the rest of it need not be complete."""
    user = current_user(request)
    form = JobForm(request.POST, user=user)
    form.is_valid()
    stage, method = form.chosen
    for name in ("name", "dataset", "base_model"):
        form.errors.pop(name, None)
    try:
        template = job_templates.create_template(
            owner=user,
            name=form.cleaned_data.get("template_title", ""),
            stage=stage,
            method=method,
            parameters=form.parameters(),
            base_model=form.cleaned_data.get("base_model"),
            is_shared=form.cleaned_data.get("template_shared", False),
            request=request,
        )
    except ValidationError as error:
        told = error.message_dict
        if "name" in told:  # the template's, which is not the training's
            told["template_title"] = told.pop("name")
        _add_errors(form, ValidationError(told))
        return _page(request, form, status=422)
    messages.success(request, _("“%(name)s” is kept as a template.") % {"name": template.name})
    return redirect("training:templates")


@require_http_methods(["GET", "HEAD", "POST"])
def import_yaml(request: HttpRequest) -> HttpResponse:
    """LLaMA-Factory's YAML becomes a filled form; what was left out stands above it with why."""
    user = current_user(request)
    sent = (request.POST, request.FILES) if request.method == "POST" else ()
    form = ImportForm(*sent)
    if form.is_valid():
        try:
            found = configurations.read(form.text(), user=user)
        except ValidationError as error:
            form.add_error("yaml", error.message_dict["yaml"])
        else:
            return _page(request, JobForm(user=user, initial=found.initial()), imported=found)
    status = 422 if form.errors else 200
    return render(request, "training/import.html", {"form": form}, status=status)


def _page(request: HttpRequest, form: JobForm, *, status: int = 200, **more: Any) -> HttpResponse:
    context = _form_context(current_user(request), form) | more
    return render(request, "training/new.html", context, status=status)


def _form_context(user: User, form: JobForm) -> dict[str, Any]:
    stage, method = form.chosen
    return {
        "form": form,
        "groups": form.groups(),
        "stage": stage,
        "method": method,
        "templates": JobTemplate.objects.for_user(user).select_related("owner"),
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


def _chosen(form: JobForm) -> Chosen:
    stage, method = form.chosen
    return {
        "stage": stage,
        "method": method,
        "base_model": form.cleaned_data["base_model"],
        "dataset": form.cleaned_data["dataset"],
        "eval_dataset": form.cleaned_data.get("eval_dataset"),
    }


def _start_version(form: JobForm) -> ModelVersion | None:
    """What the training goes on from. ValidationError where it cannot."""
    version: ModelVersion | None = form.cleaned_data.get("start_version")
    if version is None:
        return None
    if form.grid():
        text = _("Several values are tried from the base model only.")
        raise ValidationError({"start_version": [text]})
    chosen = _chosen(form)
    services.check_start(version, base_model=chosen["base_model"], method=chosen["method"])
    return version


def _create(request: HttpRequest, form: JobForm) -> TrainingJob | Sweep | None:
    """None when it is refused; the form then says why."""
    common: dict[str, Any] = {
        "owner": current_user(request),
        "name": form.cleaned_data["name"],
        "parameters": form.parameters(),
        "sharing": form.sharing(),
        "allow_too_large": form.cleaned_data["allow_too_large"],
        "request": request,
    }
    try:
        start = _start_version(form)
        if grid := form.grid():
            return sweeps.create_sweep(grid=grid, **common, **_chosen(form))
        common |= {"sample_prompts": form.cleaned_data["sample_prompts"].splitlines()}
        return services.create_job(**common, **_chosen(form), start_version=start)
    except ValidationError as error:
        _add_errors(form, error)
        return None


def _add_errors(form: JobForm, error: ValidationError) -> None:
    for name, texts in error.message_dict.items():
        place = {"grid": "swept_1_values", "allow_too_large": None}.get(name, name)
        form.add_error(place if place in form.fields else None, texts)


@require_POST
def show_preview(request: HttpRequest) -> HttpResponse:
    """The card beside the form: what stands against it, memory, steps, time, YAML."""
    user = current_user(request)
    form = JobForm(request.POST, user=user)
    shown: Preview | None = None
    sweep: Plan | None = None
    missing: list[str] = []
    if form.is_valid() or not {"base_model", "dataset", "stage", "method"} & form.errors.keys():
        sweep = _sweep_plan(form)
        shown = None if form.grid() and sweep is None else _preview(user, form)
    else:
        wanted = ("base_model", "dataset")
        missing = [str(form.fields[name].label) for name in wanted if name in form.errors]
    problems = _problems(form)
    context: dict[str, Any] = {"missing": missing, "form": form, "problems": problems}
    context |= {"preview": None if problems else shown, "sweep": sweep}
    if context["preview"]:
        context["tokens_url"] = _tokens_url(form)
    return render(request, "training/preview.html", context)


def _tokens_url(form: JobForm) -> str:
    """The first record as this training reads it."""
    chosen, parameters = _chosen(form), form.parameters()
    query = {"base_model": chosen["base_model"].pk, "stage": chosen["stage"]}
    named = ("template", "cutoff_len", "train_on_prompt", "mask_history")
    query |= {name: parameters[name] for name in named if parameters.get(name)}
    url = reverse("datasets:tokens", args=[chosen["dataset"].pk])
    return f"{url}?{urlencode(query)}"


def _problems(form: JobForm) -> list[dict[str, Any]]:
    """What stands against a start; a field that is still to be filled in is nobody's mistake yet,
    unless what has been filled in asks for it."""
    return [
        {
            "name": name,
            "label": form.fields[name].label if name in form.fields else "",
            "texts": texts,
        }
        for name, texts in form.errors.items()
        if name not in ("name", "template_title") and (form.data.get(name) or name in BY_NAME)
    ]


def _preview(user: User, form: JobForm) -> Preview | None:
    """None when create_job() would refuse it; the form then says why."""
    parameters = form.parameters()
    try:
        _start_version(form)
        parameters |= {name: values[0] for name, values in form.grid().items()}
        name = form.cleaned_data.get("name", "")
        common: dict[str, Any] = {"owner": user, "name": name, "sharing": form.sharing()}
        return preview(parameters=parameters, **common, **_chosen(form))
    except ValidationError as error:
        _add_errors(form, error)
        return None


def _sweep_plan(form: JobForm) -> Plan | None:
    """None for a single training, and for a sweep that is refused; the form then says why."""
    grid = form.grid()
    if not grid:
        return None
    try:
        common: dict[str, Any] = {"parameters": form.parameters(), "sharing": form.sharing()}
        return sweeps.plan(grid=grid, **common, **_chosen(form))
    except ValidationError as error:
        _add_errors(form, error)
        return None
