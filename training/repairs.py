"""What to change in a job that failed, so that a clone may succeed: values, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from training.llamafactory import DEFAULTS
from training.models import Method, Reason, TrainingJob
from training.template_detection import detected_template

SHORTEST = 64


@dataclass(frozen=True)
class Repair:
    """`values` for the form's fields; `text` tells the person what was changed and why."""

    values: Mapping[str, Any]
    text: str


def repair_of(job: TrainingJob) -> Repair | None:
    """None where no change of a setting helps."""
    known: dict[str, Any] = DEFAULTS | job.parameters
    if job.reason in (Reason.OUT_OF_MEMORY, Reason.KILLED):
        return _smaller(job, known)
    if job.reason == Reason.DIVERGED:
        return _calmer(known)
    if job.reason == Reason.TEMPLATE:
        return _template(job, known)
    if job.reason == Reason.DISK_FULL:
        return _fewer_checkpoints(known)
    if job.reason == Reason.CONFIGURATION:
        return _plainer(job, known)
    return None


def _smaller(job: TrainingJob, known: Mapping[str, Any]) -> Repair | None:
    batch, accumulation = (
        int(known["per_device_train_batch_size"]),
        int(known["gradient_accumulation_steps"]),
    )
    if batch > 1:
        values = {
            "per_device_train_batch_size": batch // 2,
            "gradient_accumulation_steps": accumulation * 2,
        }
        text = _(
            "Half the batch (%(batch)d) and twice the accumulation (%(accumulation)d): it learns "
            "from as many examples at each step, and needs less memory."
        )
        return Repair(values, text % {"batch": batch // 2, "accumulation": accumulation * 2})
    if job.method == Method.LORA and _ran_on_gpu(job):
        text = _("QLoRA instead of LoRA: the model is loaded with 4 bits a weight.")
        return Repair({"method": Method.QLORA.value}, text)
    if job.method == Method.FULL:
        text = _("LoRA instead of full training: only a small adapter is trained.")
        return Repair({"method": Method.LORA.value}, text)
    length = int(known["cutoff_len"])
    if length // 2 < SHORTEST:
        return None
    text = _("Examples are cut off at %(length)d tokens, half as long as before.")
    return Repair({"cutoff_len": length // 2}, text % {"length": length // 2})


def _ran_on_gpu(job: TrainingJob) -> bool:
    return job.slot_uses.filter(is_gpu=True).exists()


def _calmer(known: Mapping[str, Any]) -> Repair:
    rate = float(known["learning_rate"]) / 5
    values: dict[str, Any] = {"learning_rate": float(f"{rate:.3g}"), "max_grad_norm": 1.0}
    text = _("A fifth of the learning rate (%(rate)s), and gradients are clipped at 1.")
    if known.get("fp16"):
        values |= {"fp16": False, "bf16": True}
        text += " " + _("bf16 instead of fp16, whose range is too small for large values.")
    return Repair(values, text % {"rate": f"{rate:.3g}"})


def _template(job: TrainingJob, known: Mapping[str, Any]) -> Repair | None:
    found = detected_template(job.base_model)
    if not found or found == known.get("template"):
        return None
    text = _("The chat template “%(template)s”, which the files of the base model speak for.")
    return Repair({"template": found}, text % {"template": found})


def _fewer_checkpoints(known: Mapping[str, Any]) -> Repair:
    every = int(known["save_steps"]) * 4
    text = _("One checkpoint is kept instead of %(n)s, and one is written every %(steps)d steps.")
    values = {"save_total_limit": 1, "save_steps": every}
    return Repair(values, text % {"n": known.get("save_total_limit", 2), "steps": every})


def _plainer(job: TrainingJob, known: Mapping[str, Any]) -> Repair | None:
    words = job.detail.lower()
    if "target modules" in words:
        text = _("The adapter goes into all linear layers, instead of those named.")
        return Repair({"lora_target": "all"}, text)
    if "image features and image tokens" in words:
        length = int(known["cutoff_len"]) * 2
        text = _("Examples are cut off at %(length)d tokens, twice as many: a picture was cut.")
        return Repair({"cutoff_len": length}, text % {"length": length})
    if "bf16" in words and known.get("bf16"):
        return Repair({"bf16": False}, _("Without bf16, which this machine cannot do."))
    return None
