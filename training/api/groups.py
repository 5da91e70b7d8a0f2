"""API: `training/arguments`, `training/templates`, `training/sweeps`, `training/import`."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from accounts.access import current_user, owned_or_404
from llmplatform.schemas import Page, Paging, paginate
from training import configurations, job_templates, sweeps
from training.argument_table import ARGUMENTS, BLOCKED, GROUPS
from training.choosing import chosen_base_model, chosen_of, sharing_of
from training.group_schemas import (
    ArgumentOut,
    ImportedOut,
    ImportIn,
    SweepEstimateIn,
    SweepEstimateOut,
    SweepIn,
    SweepOut,
    TemplateChange,
    TemplateIn,
    TemplateOut,
)
from training.models import JobTemplate, Sweep

groups_router = Router(tags=["Training"])


@groups_router.get("arguments", response=Page[ArgumentOut])
def list_arguments(request: HttpRequest, paging: Query[Paging], q: str = "") -> Any:
    """Every parameter that LLaMA-Factory's training has; `blocked` says why it cannot be set.

    Labels and helps are in the language of the request.
    """
    rows = [_settable(argument) for argument in ARGUMENTS]
    rows += [_blocked(name, str(row.reason)) for row in BLOCKED for name in row.names]
    words = q.lower().split()
    found = [row for row in rows if all(word in _searched(row) for word in words)]
    end = paging.offset + paging.limit
    return {"items": found[paging.offset : end], "count": len(found)}


def _searched(row: dict[str, Any]) -> str:
    return f"{row['name']} {row['label']} {row['help']} {row['blocked'] or ''}".lower()


def _settable(argument: Any) -> dict[str, Any]:
    names = ("name", "kind", "default", "minimum", "above", "maximum")
    lists = {name: list(getattr(argument, name)) for name in ("choices", "methods", "stages")}
    texts = {"label": str(argument.label), "help": str(argument.help)}
    blocked = None if argument.is_installed else f"package: {argument.package}"
    told = {name: getattr(argument, name) for name in names} | lists | texts
    return told | {"group": str(GROUPS[argument.group]), "blocked": blocked}


def _blocked(name: str, reason: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(("default", "minimum", "above", "maximum"))
    lists: dict[str, Any] = {name: [] for name in ("choices", "methods", "stages")}
    texts = {"name": name, "kind": "", "label": name, "help": "", "group": "", "blocked": reason}
    return empty | lists | texts


@groups_router.post("import", response=ImportedOut)
def import_configuration(request: HttpRequest, body: ImportIn) -> Any:
    """LLaMA-Factory's YAML as the body of a job, and what was left out and why; starts nothing."""
    found = configurations.read(body.yaml, user=current_user(request))
    return {
        "base_model": found.base_model.pk if found.base_model else None,
        "dataset": found.dataset.pk if found.dataset else None,
        "eval_dataset": found.eval_dataset.pk if found.eval_dataset else None,
        "stage": found.stage,
        "method": found.method,
        "parameters": found.parameters,
        "refused": [{"name": each.name, "reason": each.reason} for each in found.refused],
    }


@groups_router.get("templates", response=Page[TemplateOut])
def list_templates(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Your own, and those that others share."""
    rows = JobTemplate.objects.for_user(current_user(request)).select_related("owner")
    return paginate(rows, paging)


@groups_router.post("templates", response={201: TemplateOut})
def create_template(request: HttpRequest, body: TemplateIn) -> Any:
    user = current_user(request)
    model = chosen_base_model(user, body.base_model) if body.base_model is not None else None
    return 201, job_templates.create_template(
        owner=user,
        name=body.name,
        stage=body.stage,
        method=body.method,
        parameters=body.parameters,
        base_model=model,
        is_shared=body.is_shared,
        request=request,
    )


@groups_router.get("templates/{template_id}", response=TemplateOut)
def get_template(request: HttpRequest, template_id: str) -> JobTemplate:
    return owned_or_404(JobTemplate.objects.for_user(current_user(request)), pk=template_id)


@groups_router.patch("templates/{template_id}", response=TemplateOut)
def change_template(request: HttpRequest, template_id: str, body: TemplateChange) -> Any:
    """Its name, and whether everybody may use it. Only of your own."""
    user = current_user(request)
    template = owned_or_404(JobTemplate.objects.of_user(user), pk=template_id)
    return job_templates.change_template(
        template=template, actor=user, name=body.name, is_shared=body.is_shared, request=request
    )


@groups_router.delete("templates/{template_id}", response={204: None})
def delete_template(request: HttpRequest, template_id: str) -> Any:
    user = current_user(request)
    template = owned_or_404(JobTemplate.objects.of_user(user), pk=template_id)
    job_templates.delete_template(template=template, actor=user, request=request)
    return 204, None


@groups_router.get("sweeps", response=Page[SweepOut])
def list_sweeps(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(Sweep.objects.for_user(current_user(request)), paging)


@groups_router.post("sweeps/estimate", response=SweepEstimateOut)
def estimate_sweep(request: HttpRequest, body: SweepEstimateIn) -> Any:
    """How many trainings, and what they take together; starts nothing."""
    chosen = chosen_of(current_user(request), body)
    common: dict[str, Any] = {"parameters": body.parameters, "sharing": sharing_of(body)}
    found = sweeps.plan(grid=body.grid, **common, **chosen)
    return {
        "count": found.count,
        "time_s": found.seconds,
        "cost_usd": found.cost_usd,
        "memory_bytes": found.worst.memory.total if found.worst.memory else None,
        "verdict": found.worst.verdict,
    }


@groups_router.post("sweeps", response={201: SweepOut})
def create_sweep(request: HttpRequest, body: SweepIn) -> Any:
    """One job for each combination of the grid, all or none."""
    user = current_user(request)
    return 201, sweeps.create_sweep(
        owner=user,
        name=body.name,
        parameters=body.parameters,
        grid=body.grid,
        sharing=sharing_of(body),
        start=body.start,
        allow_too_large=body.allow_too_large,
        request=request,
        **chosen_of(user, body),
    )


@groups_router.get("sweeps/{sweep_id}", response=SweepOut)
def get_sweep(request: HttpRequest, sweep_id: str) -> Sweep:
    """With its jobs: what each tried, its state, and the best one marked."""
    return owned_or_404(Sweep.objects.for_user(current_user(request)), pk=sweep_id)


@groups_router.post("sweeps/{sweep_id}/stop", response={202: SweepOut})
def stop_sweep(request: HttpRequest, sweep_id: str) -> Any:
    """Ends all that have not ended."""
    user = current_user(request)
    sweep = owned_or_404(Sweep.objects.for_user(user), pk=sweep_id)
    sweeps.stop_sweep(sweep=sweep, actor=user, request=request)
    return 202, sweep
