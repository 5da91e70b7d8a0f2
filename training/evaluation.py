"""Verbs about evaluations: begin, stop, delete; and what they let through to `production`."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.text import UNSTORABLE
from providers.models import ProviderModel
from training import dispatch, lifecycle
from training.errors import StateConflict
from training.models import (
    Dataset,
    Evaluation,
    EvaluationPlan,
    HeldOut,
    ModelVersion,
    TrainingJob,
)

LIMIT_MAX, TOKENS_MAX, PROBES_MAX, CHARS_MAX = 1000, 2048, 200, 8000
USUAL_LIMIT, USUAL_TOKENS = 50, 128


def held_back(job: TrainingJob | None) -> bool:
    """Whether a training kept a share of its dataset to itself."""
    if job is None or job.dataset.pictures:
        return False
    return bool(job.parameters.get("val_size")) and job.dataset.has_file


def sources_for(version: ModelVersion) -> list[str]:
    """Where the examples can come from, the best first."""
    rest = [HeldOut.DATASET.value, HeldOut.PROBES.value]
    return [HeldOut.SHARE.value, *rest] if held_back(version.job) else rest


def check_texts(dataset: Dataset, field: str) -> None:
    """ValidationError for examples that would be asked without their pictures."""
    if dataset.pictures:
        text = _(
            "“%(name)s” has pictures, and an evaluation asks in texts only. Choose a dataset "
            "without pictures, or type in questions. The training itself measures the loss on "
            "pictures it has not seen, with a validation share."
        )
        raise ValidationError({field: [text % {"name": dataset.name}]})


def _check_share(version: ModelVersion) -> None:
    job = version.job
    if job is not None:
        check_texts(job.dataset, "source")
    if not held_back(job):
        text = _("This training held nothing back. Choose a dataset, or type in questions.")
        raise ValidationError({"source": [text]})
    if job is not None and job.dataset.sha256 != version.lineage.get("dataset_sha256"):
        text = _("The dataset has changed since the training; choose another one.")
        raise ValidationError({"source": [text]})


def _check_dataset(version: ModelVersion, dataset: Dataset | None) -> None:
    if dataset is None:
        raise ValidationError({"dataset": [_("Choose the dataset with the examples.")]})
    if not dataset.has_file or not dataset.stages:
        raise ValidationError({"dataset": [_("The file of this dataset is missing.")]})
    check_texts(dataset, "dataset")
    if dataset.sha256 == version.lineage.get("dataset_sha256"):
        text = _("The model has learnt these very examples. Choose some that it has not seen.")
        raise ValidationError({"dataset": [text]})


def checked_probes(probes: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Questions as they are kept. ValidationError keyed by "probes"."""
    kept = [
        {name: str(row.get(name) or "").strip() for name in ("question", "answer", "system")}
        for row in probes
    ]
    kept = [{name: text for name, text in row.items() if text} for row in kept]
    if not kept or not all(row.get("question") for row in kept):
        raise ValidationError({"probes": [_("Write at least one question.")]})
    if len(kept) > PROBES_MAX:
        text = _("At most %(limit)d questions.") % {"limit": PROBES_MAX}
        raise ValidationError({"probes": [text]})
    if any(len(t) > CHARS_MAX or UNSTORABLE.search(t) for row in kept for t in row.values()):
        raise ValidationError({"probes": [_("A question is too long or cannot be stored.")]})
    return kept


def _check_numbers(limit: int, max_new_tokens: int) -> None:
    errors = {}
    text = _("Between 1 and %(most)d.")
    if not 1 <= limit <= LIMIT_MAX:
        errors["limit"] = [text % {"most": LIMIT_MAX}]
    if not 1 <= max_new_tokens <= TOKENS_MAX:
        errors["max_new_tokens"] = [text % {"most": TOKENS_MAX}]
    if errors:
        raise ValidationError(errors)


def checked_judge(user: User, model_pk: int | None) -> ProviderModel | None:
    """ValidationError keyed by "judge" for a model that the user cannot use."""
    if model_pk is None:
        return None
    model = ProviderModel.objects.for_user(user).usable().filter(pk=model_pk).first()
    if model is None:
        raise ValidationError({"judge": [_("There is no such model.")]})
    return model


def begin(
    *,
    version: ModelVersion,
    actor: User,
    source: str = "",
    dataset: Dataset | None = None,
    probes: Sequence[Mapping[str, Any]] = (),
    limit: int = USUAL_LIMIT,
    max_new_tokens: int = USUAL_TOKENS,
    judge: ProviderModel | None = None,
    rubric: str = "",
    request: HttpRequest | None = None,
) -> Evaluation:
    """Into the queue. An empty `source`: the best that there is. ValidationError by field."""
    source = source or sources_for(version)[0]
    if source not in HeldOut.values:
        raise ValidationError({"source": [_("There is no such source.")]})
    kept: list[dict[str, str]] = []
    if source == HeldOut.SHARE:
        _check_share(version)
    elif source == HeldOut.DATASET:
        _check_dataset(version, dataset)
    else:
        kept = checked_probes(probes)
    _check_numbers(limit, max_new_tokens)
    if len(rubric) > CHARS_MAX or UNSTORABLE.search(rubric):
        raise ValidationError({"rubric": [_("The rubric is too long or cannot be stored.")]})
    evaluation = Evaluation(
        owner=version.owner,
        name=version.name,
        version=version,
        node=version.node,
        source=source,
        dataset=dataset if source == HeldOut.DATASET else None,
        probes=kept,
        limit=limit,
        max_new_tokens=max_new_tokens,
        judge=judge,
        rubric=rubric.strip(),
    )
    with transaction.atomic():
        evaluation.save()
        after = {"version": version.name, "source": source, "judge": str(judge or "")}
        audit(
            actor=actor, action="evaluation.create", target=evaluation, after=after, request=request
        )
        lifecycle.enqueue(evaluation)
        dispatch.look_at_queue()
    evaluation.refresh_from_db()
    return evaluation


def plan(
    *,
    job: TrainingJob,
    actor: User,
    source: str = HeldOut.SHARE,
    dataset: int | None = None,
    probes: Sequence[Mapping[str, Any]] = (),
    limit: int = USUAL_LIMIT,
    max_new_tokens: int = USUAL_TOKENS,
    judge: int | None = None,
    rubric: str = "",
    request: HttpRequest | None = None,
) -> EvaluationPlan:
    """Evaluate what comes of `job`. ValidationError keyed by field, StateConflict once it ended."""
    if job.is_final:
        raise StateConflict("plan", job.state)
    source = source or HeldOut.SHARE
    if source not in HeldOut.values:
        raise ValidationError({"source": [_("There is no such source.")]})
    if source == HeldOut.SHARE and not job.parameters.get("val_size"):
        text = _("This training holds nothing back: set a validation share, or choose a dataset.")
        raise ValidationError({"source": [text]})
    if source == HeldOut.SHARE:
        check_texts(job.dataset, "source")
    if source == HeldOut.DATASET:
        _check_other(actor, job, dataset)
    kept = checked_probes(probes) if source == HeldOut.PROBES else []
    _check_numbers(limit, max_new_tokens)
    checked_judge(actor, judge)
    options = {"source": source, "dataset": dataset, "probes": kept, "judge": judge}
    options |= {"limit": limit, "max_new_tokens": max_new_tokens, "rubric": rubric}
    with transaction.atomic():
        row, _is_new = EvaluationPlan.objects.update_or_create(
            job=job, defaults={"options": options, "problem": ""}
        )
        after = {"source": source}
        audit(actor=actor, action="evaluation.plan", target=job, after=after, request=request)
    return row


def _check_other(actor: User, job: TrainingJob, dataset_pk: int | None) -> None:
    found = Dataset.objects.for_user(actor).filter(pk=dataset_pk or 0).first()
    if found is None:
        raise ValidationError({"dataset": [_("Choose the dataset with the examples.")]})
    check_texts(found, "dataset")
    if found.sha256 == job.dataset.sha256:
        text = _("The model has learnt these very examples. Choose some that it has not seen.")
        raise ValidationError({"dataset": [text]})


def unplan(*, job: TrainingJob, actor: User, request: HttpRequest | None = None) -> None:
    with transaction.atomic():
        EvaluationPlan.objects.filter(job=job).delete()
        audit(actor=actor, action="evaluation.unplan", target=job, request=request)


def begin_planned(version: ModelVersion) -> None:
    """What was planned for its job, if anything. What stands against it by now is kept."""
    row = EvaluationPlan.objects.filter(job=version.job).first()
    if row is None:
        return
    options = dict(row.options)
    options["dataset"] = Dataset.objects.filter(pk=options["dataset"], owner=version.owner).first()
    try:
        options["judge"] = checked_judge(version.owner, options["judge"])
        begin(version=version, actor=version.owner, **options)
    except ValidationError as error:
        row.problem = " ".join(error.messages)
        row.save(update_fields=["problem"])


def stop(*, evaluation: Evaluation, actor: User, request: HttpRequest | None = None) -> None:
    """Raises StateConflict when it has ended."""
    with transaction.atomic():
        is_done = lifecycle.stop_waiting(evaluation) or lifecycle.ask(evaluation, "stop")
        if not is_done:
            evaluation.refresh_from_db()
            raise StateConflict("stop", evaluation.state)
        audit(actor=actor, action="evaluation.stop", target=evaluation, request=request)
        dispatch.reconcile(evaluation)


def delete(*, evaluation: Evaluation, actor: User, request: HttpRequest | None = None) -> None:
    """Raises StateConflict while it runs."""
    if not evaluation.is_final:
        raise StateConflict("delete", evaluation.state)
    with transaction.atomic():
        audit(actor=actor, action="evaluation.delete", target=evaluation, request=request)
        evaluation.delete()
