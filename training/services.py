"""What people do with trainings: create, start, pause, resume, stop, delete."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from training import checks, dispatch, forecasts, lifecycle, llamafactory, mirroring, pausing
from training.dataset_lineage import Usage as Usage
from training.dataset_lineage import usage_of as usage_of
from training.dataset_questions import questions_of as questions_of
from training.errors import StateConflict
from training.estimate import Estimate, estimate
from training.examples import example_hash as example_hash
from training.examples import holds as holds
from training.examples import leave_out as leave_out
from training.examples import problem_with_example as problem_with_example
from training.examples import receive_examples as receive_examples
from training.examples import record_hashes as record_hashes
from training.examples import take_back as take_back
from training.examples import versions_holding as versions_holding
from training.examples import welcome_back as welcome_back
from training.models import (
    BaseModel,
    Dataset,
    Desired,
    Method,
    ModelBuild,
    ModelVersion,
    Stage,
    Status,
    Sweep,
    TrainingJob,
    Workload,
)
from training.names import checked_name
from training.parallel import Sharing, checked_sharing

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
    if "pause" in found and pausing.why_not(workload):
        found = tuple(action for action in found if action != "pause")
    return found


def _expected(
    chosen: checks.Chosen, cleaned: dict[str, Any], sharing: Sharing, *, allow_too_large: bool
) -> Estimate:
    """What it will take. ValidationError where that fits nowhere now and is not allowed to."""
    found = estimate(
        **chosen,
        parameters=llamafactory.DEFAULTS | cleaned,
        devices=sharing.processes * sharing.nodes,
        strategy=sharing.memory_strategy,
    )
    if found.is_too_large and not allow_too_large:
        _refuse_too_large(found)
    return found


def _refuse_too_large(found: Estimate) -> None:
    place, memory = found.place, found.memory
    assert place is not None
    assert memory is not None
    text = _(
        "This needs about %(needed)s, and the roomiest place (%(place)s) has %(free)s free. "
        "Make it smaller, or say that it is to start all the same."
    )
    shown = {
        "needed": filesizeformat(memory.total),
        "place": f"{place.node}, {place.name}",
        "free": filesizeformat(place.available_bytes),
    }
    raise ValidationError({"allow_too_large": [text % shown]})


def check_start(version: ModelVersion, *, base_model: BaseModel, method: str) -> None:
    """Whether a training with this method can go on from `version`. ValidationError by field."""
    if version.base_model_id != base_model.pk:
        text = _("This version was made from another base model.")
    elif not version.is_here:
        text = _("The files of this version are not here any more.")
    elif version.is_adapter and method not in (Method.LORA, Method.QLORA):
        text = _(
            "This version is an adapter, which only LoRA and QLoRA can take further. Export it as "
            "a merged model and make a base model of that for the other methods."
        )
    else:
        return
    raise ValidationError({"start_version": [text]})


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
    sharing: Sharing | None = None,
    start: bool = True,
    allow_too_large: bool = False,
    sweep: Sweep | None = None,
    start_version: ModelVersion | None = None,
    eval_dataset: Dataset | None = None,
    request: HttpRequest | None = None,
) -> TrainingJob:
    """A job, in the queue if `start`. Whatever cannot work is refused here, before any process.

    What is not to fit anywhere now is refused unless `allow_too_large`, which is audited.
    ValidationError keyed by field.
    """
    name = checked_name(name)
    chosen: checks.Chosen = {
        "stage": stage,
        "method": method,
        "base_model": base_model,
        "dataset": dataset,
        "eval_dataset": eval_dataset,
    }
    cleaned = checks.checked(parameters or {}, **chosen)
    if start_version is not None:
        check_start(start_version, base_model=base_model, method=method)
    sharing = checked_sharing(sharing or Sharing(), owner=owner, stage=stage, method=method)
    expected = _expected(chosen, cleaned, sharing, allow_too_large=allow_too_large)
    job = TrainingJob(
        owner=owner,
        name=name,
        parameters=cleaned,
        sample_prompts=clean_prompts(sample_prompts),
        sweep=sweep,
        start_version=start_version,
        **chosen,
        **sharing.as_fields(),
    )
    with transaction.atomic():
        job.save()
        forecasts.keep(job, expected)
        after = {"base_model": base_model.name, "dataset": dataset.name, "method": method}
        if expected.is_too_large:
            after["started_in_spite_of"] = "does not fit"
        after |= dict.fromkeys(sharing.lifted, "no limit")
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
    job_id, folder, has_version = job.pk, job.folder, hasattr(job, "version")
    with transaction.atomic():
        audit(actor=actor, action="job.delete", target=job, request=request)
        sweep = job.sweep
        job.delete()
        if sweep is not None and not sweep.jobs.exists():
            sweep.delete()  # it would hold base model and dataset for ever
        if not has_version:
            transaction.on_commit(lambda: shutil.rmtree(folder, ignore_errors=True))
        mirroring.forget(job_id)


def build_base_model(
    *, actor: User, name: str, template: str, request: HttpRequest | None = None
) -> ModelBuild:
    """The demo's base model, made on the spot by a node; shared with everyone."""
    folder = Path(settings.BASE_MODEL_ROOTS[0]) / f"built-{timezone.now():%Y%m%d-%H%M%S}"
    with transaction.atomic():
        base_model = BaseModel.objects.create(
            owner=None, name=name, path=str(folder), template=template, is_ready=False
        )
        build = ModelBuild(owner=actor, name=name, base_model=base_model)
        build.save()
        lifecycle.enqueue(build)
        audit(actor=actor, action="base_model.build", target=base_model, request=request)
        dispatch.look_at_queue()
    build.refresh_from_db()
    return build
