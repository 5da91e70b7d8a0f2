"""What the bodies of the API name by id, looked up among what the person may use."""

from typing import Protocol

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from training.checks import Chosen
from training.models import BaseModel, Dataset
from training.parallel import Sharing


class Body(Protocol):
    base_model: int
    dataset: int
    eval_dataset: int | None
    stage: str
    method: str


class SharingBody(Protocol):
    processes: int
    nodes: int
    strategy: str
    priority: int
    max_hours: float | None
    idle_minutes: int | None


def sharing_of(body: SharingBody) -> Sharing:
    """Not judged yet."""
    return Sharing(
        processes=body.processes,
        nodes=body.nodes,
        strategy=body.strategy,
        priority=body.priority,
        max_hours=body.max_hours,
        idle_minutes=body.idle_minutes,
    )


def chosen_base_model(user: User, wanted: int) -> BaseModel:
    """ValidationError keyed by field for an id that is not theirs."""
    found = BaseModel.objects.for_user(user).filter(pk=wanted).first()
    if found is None:
        raise ValidationError({"base_model": [_("There is no such base model.")]})
    return found


def chosen_of(user: User, body: Body) -> Chosen:
    """ValidationError keyed by field, of both at once."""
    errors = {}
    base_model = BaseModel.objects.for_user(user).filter(pk=body.base_model).first()
    datasets = Dataset.objects.for_user(user)
    dataset = datasets.filter(pk=body.dataset).first()
    eval_dataset = None
    if body.eval_dataset is not None:
        eval_dataset = datasets.filter(pk=body.eval_dataset).first()
        if eval_dataset is None:
            errors["eval_dataset"] = [_("There is no such dataset.")]
    if base_model is None:
        errors["base_model"] = [_("There is no such base model.")]
    if dataset is None:
        errors["dataset"] = [_("There is no such dataset.")]
    if base_model is None or dataset is None or errors:
        raise ValidationError(errors)
    return {
        "stage": body.stage,
        "method": body.method,
        "base_model": base_model,
        "dataset": dataset,
        "eval_dataset": eval_dataset,
    }
