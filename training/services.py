"""What people do with trainings: create, start, pause, resume, stop, delete."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import validate_name
from training import arguments, dispatch, lifecycle
from training.errors import StateConflict
from training.models import (
    BaseModel,
    Dataset,
    Desired,
    Kind,
    Method,
    ModelBuild,
    Stage,
    Status,
    TrainingJob,
    Workload,
)
from training.registry import inspect_base_model
from training.weights import holds_code

# Each is answered at every evaluation, while the training waits.
PROMPTS_MAX, PROMPT_CHARS_MAX = 8, 2000
ACTIONS: dict[str, tuple[str, ...]] = {
    Status.PREPARING: ("pause", "stop"),
    Status.RUNNING: ("pause", "stop"),
    Status.PAUSING: ("stop",),
    Status.PAUSED: ("resume", "stop"),
}


def allowed_actions(workload: Workload) -> tuple[str, ...]:
    """The verbs that its state allows now."""
    if workload.status == Status.PENDING:
        found: tuple[str, ...] = ("pause", "stop") if workload.is_queued else ("start", "stop")
    else:
        found = ACTIONS.get(workload.state, ())
    if workload.kind != Kind.TRAIN:
        found = tuple(action for action in found if action != "pause")
    return found


def _named(name: str) -> str:
    name = name.strip()
    try:
        validate_name(name)
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error
    if len(name) > 100:
        raise ValidationError({"name": [_("The name is longer than 100 characters.")]})
    return name


def check_fit(*, stage: str, method: str, base_model: BaseModel, dataset: Dataset) -> None:
    """ValidationError keyed by field when these cannot be trained together."""
    if stage not in Stage.values:
        raise ValidationError({"stage": [_("There is no such stage.")]})
    if method not in Method.values:
        raise ValidationError({"method": [_("There is no such method.")]})
    if stage not in dataset.stages:
        text = _("This stage needs another kind of dataset; “%(name)s” serves: %(stages)s.")
        serves = ", ".join(dataset.stages)
        raise ValidationError({"dataset": [text % {"name": dataset.name, "stages": serves}]})
    if not base_model.is_ready:
        raise ValidationError({"base_model": [_("This model is not ready yet.")]})
    if base_model.path and not Path(base_model.path).is_dir():
        text = _("The folder of this model is missing: %(path)s")
        raise ValidationError({"base_model": [text % {"path": base_model.path}]})


def clean_prompts(prompts: Sequence[str]) -> list[str]:
    """Without blanks. ValidationError keyed by "sample_prompts"."""
    found = [text.strip() for text in prompts if text.strip()]
    if len(found) > PROMPTS_MAX:
        text = _("At most %(count)s prompts.") % {"count": PROMPTS_MAX}
        raise ValidationError({"sample_prompts": [text]})
    if any(len(each) > PROMPT_CHARS_MAX for each in found):
        text = _("A prompt is longer than %(count)s characters.") % {"count": PROMPT_CHARS_MAX}
        raise ValidationError({"sample_prompts": [text]})
    return found


def create_job(
    *,
    owner: User,
    name: str,
    base_model: BaseModel,
    dataset: Dataset,
    stage: str = Stage.SFT,
    method: str = Method.LORA,
    parameters: dict[str, Any] | None = None,
    sample_prompts: Sequence[str] = (),
    start: bool = True,
    request: HttpRequest | None = None,
) -> TrainingJob:
    """A job, in the queue if `start`. Whatever cannot work is refused here, before any process.

    ValidationError keyed by field.
    """
    name = _named(name)
    check_fit(stage=stage, method=method, base_model=base_model, dataset=dataset)
    cleaned = arguments.clean(parameters or {}, stage=stage, method=method)
    job = TrainingJob(
        owner=owner,
        name=name,
        base_model=base_model,
        dataset=dataset,
        stage=stage,
        method=method,
        parameters=cleaned,
        sample_prompts=clean_prompts(sample_prompts),
    )
    with transaction.atomic():
        job.save()
        after = {"base_model": base_model.name, "dataset": dataset.name, "method": method}
        audit(actor=owner, action="job.create", target=job, after=after, request=request)
        if start:
            lifecycle.enqueue(job)
            dispatch.look_at_queue()
    job.refresh_from_db()
    return job


def _act(
    action: str, workload: Workload, actor: User, request: HttpRequest | None, *, is_done: bool
) -> None:
    """Records what happened, or refuses it. Call it in the transaction of the change."""
    if not is_done:
        workload.refresh_from_db()
        raise StateConflict(action, workload.state)
    audit(actor=actor, action=f"job.{action}", target=workload, request=request)


def start(*, workload: Workload, actor: User, request: HttpRequest | None = None) -> None:
    """Into the queue. Raises StateConflict."""
    with transaction.atomic():
        is_done = workload.status == Status.PENDING and lifecycle.enqueue(workload)
        _act("start", workload, actor, request, is_done=is_done)
        dispatch.look_at_queue()


def resume(*, workload: Workload, actor: User, request: HttpRequest | None = None) -> None:
    """Into the queue again, from where it was paused. Raises StateConflict."""
    with transaction.atomic():
        is_done = workload.status == Status.PAUSED and lifecycle.enqueue(workload)
        _act("resume", workload, actor, request, is_done=is_done)
        dispatch.look_at_queue()


def pause(*, workload: Workload, actor: User, request: HttpRequest | None = None) -> None:
    """At the end of the step; out of the queue if it waits. Raises StateConflict."""
    with transaction.atomic():
        is_done = "pause" in allowed_actions(workload) and (
            lifecycle.hold(workload) or lifecycle.ask(workload, Desired.PAUSE)
        )
        _act("pause", workload, actor, request, is_done=is_done)
        dispatch.reconcile(workload)


def stop(*, workload: Workload, actor: User, request: HttpRequest | None = None) -> None:
    """For good. Raises StateConflict."""
    with transaction.atomic():
        is_done = lifecycle.stop_waiting(workload) or lifecycle.ask(workload, Desired.STOP)
        _act("stop", workload, actor, request, is_done=is_done)
        dispatch.reconcile(workload)


def delete_job(*, job: TrainingJob, actor: User, request: HttpRequest | None = None) -> None:
    """Only what has ended or never began. Its model version keeps its own files.

    Raises StateConflict.
    """
    if not (job.is_final or (job.status == Status.PENDING and not job.is_queued)):
        raise StateConflict("delete", job.state)
    folder, has_version = job.folder, hasattr(job, "version")
    with transaction.atomic():
        audit(actor=actor, action="job.delete", target=job, request=request)
        job.delete()
        if not has_version:
            transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))


def _checked_folder(path: str) -> Path:
    """ValidationError keyed by "path" unless it is a model folder below an allowed root."""
    folder = Path(path).expanduser()
    roots = [Path(root).resolve() for root in settings.BASE_MODEL_ROOTS]
    resolved = folder.resolve()
    if not any(resolved.is_relative_to(root) for root in roots):
        shown = ", ".join(str(root) for root in roots)
        text = _("Models are loaded from these folders only: %(roots)s")
        raise ValidationError({"path": [text % {"roots": shown}]})
    if not (resolved / "config.json").is_file():
        raise ValidationError({"path": [_("There is no model here (config.json is missing).")]})
    if not any(resolved.glob("*.safetensors")):
        raise ValidationError({"path": [_("Only models in safetensors format are accepted.")]})
    try:
        config = json.loads((resolved / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValidationError({"path": [_("config.json cannot be read.")]}) from error
    if holds_code(config) or any(resolved.glob("*.py")):
        raise ValidationError({"path": [_("Models that bring code of their own are refused.")]})
    return resolved


def register_base_model(
    *,
    actor: User,
    name: str,
    path: str = "",
    hub_id: str = "",
    template: str = "",
    is_shared: bool = False,
    request: HttpRequest | None = None,
) -> BaseModel:
    """A model to start from: a folder, or an id of a hub. ValidationError keyed by field."""
    if bool(path) == bool(hub_id):
        raise ValidationError({"path": [_("Give a path or a hub id.")]})
    if is_shared and not actor.is_admin:
        raise ValidationError({"is_shared": [_("Only administrators can share a model.")]})
    if template and template not in arguments.TEMPLATES:
        raise ValidationError({"template": [_("There is no such chat template.")]})
    if hub_id and not arguments.HUB_ID.fullmatch(hub_id):
        text = _("A hub id looks like Qwen/Qwen3-8B.")
        raise ValidationError({"hub_id": [text]})
    base_model = BaseModel(
        owner=None if is_shared else actor, name=_named(name), hub_id=hub_id, template=template
    )
    if path:
        base_model.path = str(_checked_folder(path))
    with transaction.atomic():
        base_model.save()
        if path:
            inspect_base_model(base_model)
        audit(actor=actor, action="base_model.create", target=base_model, request=request)
    return base_model


def build_base_model(*, actor: User, name: str, template: str) -> ModelBuild:
    """The demo's base model, made on the spot by a node; shared with everyone."""
    folder = Path(settings.BASE_MODEL_ROOTS[0]) / f"built-{timezone.now():%Y%m%d-%H%M%S}"
    with transaction.atomic():
        base_model = BaseModel.objects.create(
            owner=None, name=name, path=str(folder), template=template, is_ready=False
        )
        build = ModelBuild(owner=actor, name=name, base_model=base_model)
        build.save()
        lifecycle.enqueue(build)
        audit(actor=actor, action="base_model.build", target=base_model)
        dispatch.look_at_queue()
    build.refresh_from_db()
    return build
