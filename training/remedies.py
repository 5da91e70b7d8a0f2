"""Changes of one parameter that make a training smaller, as buttons of the form offer them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from training.memory import ADAPTER_METHODS, Memory, Setup, memory_of
from training.models import Method
from training.shapes import Shape

SHOWN = 4
WORTH_FROM = 0.03  # of the total
LIGHT = ("adafactor", "sgd", "adamw_8bit", "paged_adamw_8bit", "lion_8bit", "paged_lion_8bit")
Change = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Remedy:
    """`values`: what the form's fields are to hold; `method` may be among them."""

    label: str
    values: dict[str, Any]
    memory: Memory
    fits: bool


def remedies(
    shape: Shape, setup: Setup, *, is_gpu: bool, room_bytes: int, factor: float
) -> list[Remedy]:
    """Those that help noticeably; first the gentlest that make it fit, then the strongest."""
    now = memory_of(shape, setup, is_gpu=is_gpu).scaled(factor).total
    found = []
    for label, values in _changes(setup, is_gpu=is_gpu):
        parameters = {name: value for name, value in values.items() if name != "method"}
        changed = Setup(
            setup.stage,
            str(values.get("method", setup.method)),
            {**setup.parameters, **parameters},
            setup.devices,
            setup.strategy,
        )
        memory = memory_of(shape, changed, is_gpu=is_gpu).scaled(factor)
        if memory.total <= now * (1 - WORTH_FROM):
            found.append(Remedy(label, values, memory, memory.total <= room_bytes))
    ordered = sorted(found, key=lambda each: (not each.fits, each.memory.total))
    helping = [each for each in found if each.fits]
    return (helping or ordered)[:SHOWN]


def _changes(setup: Setup, *, is_gpu: bool) -> Iterator[Change]:
    """The gentlest first: what changes the result least."""
    yield from _precision(setup, is_gpu=is_gpu)
    yield from _batch(setup)
    yield from _optimiser(setup, is_gpu=is_gpu)
    yield from _method(setup)
    yield from _length(setup)


def _precision(setup: Setup, *, is_gpu: bool) -> Iterator[Change]:
    if setup.parameters.get("disable_gradient_checkpointing"):
        label = _("Compute activations again")
        yield label, {"disable_gradient_checkpointing": False}
    if is_gpu and not setup.is_half:
        yield _("Switch on bf16"), {"bf16": True}


def _batch(setup: Setup) -> Iterator[Change]:
    batch = int(setup.value("per_device_train_batch_size", 1))
    if batch > 1:
        added = int(setup.value("gradient_accumulation_steps", 1)) * batch
        values = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": added}
        yield _("Batch 1, accumulated %(count)s times") % {"count": added}, values


def _optimiser(setup: Setup, *, is_gpu: bool) -> Iterator[Change]:
    if setup.value("optim", "") not in LIGHT:
        name = "paged_adamw_8bit" if is_gpu else "adafactor"
        yield _("Optimiser %(name)s") % {"name": name}, {"optim": name}
    if is_gpu and setup.method not in ADAPTER_METHODS and not setup.parameters.get("pure_bf16"):
        yield _("Pure bf16"), {"pure_bf16": True, "bf16": False, "fp16": False}


def _method(setup: Setup) -> Iterator[Change]:
    if setup.method == Method.LORA:
        yield _("QLoRA with 4 bits"), {"method": Method.QLORA.value, "quantization_bit": "4"}
    elif setup.method == Method.QLORA and str(setup.value("quantization_bit", 4)) == "8":
        yield _("4 bits instead of 8"), {"quantization_bit": "4"}
    elif setup.method in (Method.FULL, Method.FREEZE):
        values = {"method": Method.LORA.value, "learning_rate": 1e-4}
        yield _("LoRA instead of the weights"), values


def _length(setup: Setup) -> Iterator[Change]:
    length = int(setup.value("cutoff_len", 1024))
    for shorter in (length // 2, length // 4):
        if shorter >= 128:
            label = _("Examples of at most %(count)s tokens") % {"count": f"{shorter:,}"}
            yield label, {"cutoff_len": shorter}
