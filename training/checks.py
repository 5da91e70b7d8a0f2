"""Whether a training can work at all, judged before any process starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform.text import enumerated
from training import argument_conflicts, arguments, vision
from training.argument_table import WHY_BLOCKED
from training.models import BaseModel, Dataset, Method, Node, Slot, Stage


class Chosen(TypedDict):
    """What a training is about."""

    stage: str
    method: str
    base_model: BaseModel
    dataset: Dataset
    eval_dataset: NotRequired[Dataset | None]


def has_gpu() -> bool:
    """Whether a machine that is there now has one."""
    return Slot.objects.filter(is_gpu=True, node__in=Node.objects.available()).exists()


def check_eval_dataset(eval_dataset: Dataset, *, stage: str, dataset: Dataset) -> None:
    """ValidationError keyed by field where it cannot tell how good the training is."""
    if eval_dataset.pk == dataset.pk or eval_dataset.sha256 == dataset.sha256:
        text = _("It is evaluated on what it learns from. Choose another dataset, or a share.")
        raise ValidationError({"eval_dataset": [text]})
    if stage not in eval_dataset.stages:
        text = _("This stage needs another kind of dataset; “%(name)s” serves: %(stages)s.")
        shown = {"name": eval_dataset.name, "stages": enumerated(eval_dataset.stages)}
        raise ValidationError({"eval_dataset": [text % shown]})


def check_fit(
    *,
    stage: str,
    method: str,
    base_model: BaseModel,
    dataset: Dataset,
    eval_dataset: Dataset | None = None,
) -> None:
    """ValidationError keyed by field when these cannot be trained together."""
    if stage == "ppo":
        raise ValidationError({"stage": [str(WHY_BLOCKED["ppo_epochs"])]})
    if stage not in Stage.values:
        raise ValidationError({"stage": [_("There is no such stage.")]})
    if method not in Method.values:
        raise ValidationError({"method": [_("There is no such method.")]})
    if stage not in dataset.stages:
        text = _("This stage needs another kind of dataset; “%(name)s” serves: %(stages)s.")
        serves = enumerated(dataset.stages)
        raise ValidationError({"dataset": [text % {"name": dataset.name, "stages": serves}]})
    if eval_dataset is not None:
        check_eval_dataset(eval_dataset, stage=stage, dataset=dataset)
    if not base_model.is_ready:
        raise ValidationError({"base_model": [_("This model is not ready yet.")]})
    if base_model.path and not Path(base_model.path).is_dir():
        text = _("The folder of this model is missing: %(path)s")
        raise ValidationError({"base_model": [text % {"path": base_model.path}]})


def checked(
    parameters: Mapping[str, Any],
    *,
    stage: str,
    method: str,
    base_model: BaseModel,
    dataset: Dataset,
    eval_dataset: Dataset | None = None,
) -> dict[str, Any]:
    """Typed values. ValidationError keyed by field for whatever the trainer would stumble over."""
    check_fit(
        stage=stage,
        method=method,
        base_model=base_model,
        dataset=dataset,
        eval_dataset=eval_dataset,
    )
    has_own = eval_dataset is not None
    values = arguments.clean(parameters, stage=stage, method=method, has_eval_dataset=has_own)
    has_pictures = any(each.pictures for each in (dataset, eval_dataset) if each is not None)
    if has_pictures and (wrong := vision.why_blind(base_model, values)):
        raise ValidationError(wrong)
    found = argument_conflicts.against_records(values, dataset.records)
    if Node.objects.available().exists() and not has_gpu():
        found += argument_conflicts.without_gpu(values)
    if found:
        raise ValidationError(dict(argument_conflicts.by_field(found)))
    return values
