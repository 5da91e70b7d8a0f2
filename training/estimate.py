"""What a training will need, told before it starts: memory by part, steps, time, and whether it
fits on a machine that is there now.

Rules of thumb for a decoder-only transformer, in bytes per parameter: weights 2 (half precision),
4 (single), 0.56 or 1.06 (4 or 8 bits with their constants); what is trained is held in single
precision with its gradient and Adam's two moments, 4 bytes each, or half of all that in pure bf16.
Activations with checkpointing are one hidden state a layer, the working set of one layer, and the
logits.
"""

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accounts.models import User
from training.models import BaseModel, Dataset, Method, Node, Stage, Status, TrainingJob

GIB = 1024**3
ADAPTER_METHODS = (Method.LORA, Method.QLORA)
WORKING_SET = 34  # hidden states' worth of one layer's activations
TIGHT_FROM = 0.85
OVERHEAD_BYTES = {True: int(0.9 * GIB), False: int(0.55 * GIB)}  # GPU context; libraries on a CPU
RUNS_CONSIDERED = 5


@dataclass(frozen=True)
class Shape:
    """The sizes of a model that memory depends on."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int


@dataclass(frozen=True)
class Memory:
    weights: int
    gradients: int
    optimizer: int
    activations: int
    overhead: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.overhead


@dataclass(frozen=True)
class Place:
    """A slot of a live node; `available_bytes` as of its last sample."""

    node: str
    name: str
    is_gpu: bool
    available_bytes: int


@dataclass(frozen=True)
class Estimate:
    """None means unknown. `verdict`: fits, tight, too_large, unknown, or no_node."""

    memory: Memory | None
    trainable_parameters: int | None
    verdict: str
    place: Place | None
    steps: int | None
    seconds: int | None
    runs_known: int

    def as_json(self) -> dict[str, Any]:
        memory = None
        if self.memory is not None:
            memory = {f"{part}_bytes": size for part, size in asdict(self.memory).items()}
            memory["total_bytes"] = self.memory.total
        return {
            "memory": memory,
            "trainable_parameters": self.trainable_parameters,
            "verdict": self.verdict,
            "place": asdict(self.place) if self.place else None,
            "steps": self.steps,
            "time_s": self.seconds,
            "runs_known": self.runs_known,
        }


def shape_of(base_model: BaseModel) -> Shape | None:
    """From config.json where it can be read, else in the proportions of common models."""
    parameters = base_model.parameters or _parameters_by_size(base_model)
    if not parameters:
        return None
    config = _config_of(base_model)
    # 12 L h² parameters with a depth of about h/128, as Llama and Qwen have it.
    hidden = int(config.get("hidden_size") or (parameters * 128 / 12) ** (1 / 3))
    layers = int(config.get("num_hidden_layers") or max(1, round(hidden / 128)))
    vocabulary = int(config.get("vocab_size") or 150_000)
    return Shape(parameters, layers, hidden, vocabulary)


def _parameters_by_size(base_model: BaseModel) -> int | None:
    return base_model.size_bytes // 2 if base_model.size_bytes else None


def _config_of(base_model: BaseModel) -> Mapping[str, Any]:
    if not base_model.path:
        return {}
    try:
        text = (Path(base_model.path) / "config.json").read_text(encoding="utf-8")
        config = json.loads(text)
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


def trainable(shape: Shape, method: str, parameters: Mapping[str, Any]) -> int:
    body = max(0, shape.parameters - shape.vocabulary * shape.hidden)
    if method in ADAPTER_METHODS:
        # All linear modules: rank times the sum of their inputs and outputs, about 18 hidden.
        return int(parameters.get("lora_rank", 8)) * 18 * shape.hidden * shape.layers
    if method == Method.FREEZE:
        layers = min(shape.layers, abs(int(parameters.get("freeze_trainable_layers", 2))))
        return body * layers // shape.layers
    return shape.parameters


def memory_of(
    shape: Shape, *, stage: str, method: str, parameters: Mapping[str, Any], is_gpu: bool
) -> Memory:
    trained = trainable(shape, method, parameters)
    is_half = any(parameters.get(name) for name in ("bf16", "fp16", "pure_bf16"))
    weights = shape.parameters * _bytes_a_weight(method, parameters, is_half)
    part = 2 if parameters.get("pure_bf16") else 4
    if method == Method.FULL:
        weights = shape.parameters * part
        if stage == Stage.DPO and parameters.get("pref_loss", "sigmoid") not in ("orpo", "simpo"):
            weights *= 2  # the reference model
    elif method in ADAPTER_METHODS:
        weights += trained * part
    return Memory(
        weights=int(weights),
        gradients=trained * part,
        optimizer=_optimizer_bytes(trained, part, parameters),
        activations=_activations(shape, stage, parameters, 2 if is_half else 4),
        overhead=OVERHEAD_BYTES[is_gpu],
    )


def _bytes_a_weight(method: str, parameters: Mapping[str, Any], is_half: bool) -> float:
    if method == Method.QLORA:
        return 1.06 if str(parameters.get("quantization_bit", 4)) == "8" else 0.56
    return 2 if is_half else 4


def _optimizer_bytes(trained: int, part: int, parameters: Mapping[str, Any]) -> int:
    moments = {"adafactor": 0.01, "sgd": 0, "lion_32bit": 1}.get(
        str(parameters.get("optim", "")), 2
    )
    return int(trained * part * moments)


def _activations(shape: Shape, stage: str, parameters: Mapping[str, Any], width: int) -> int:
    tokens = int(parameters.get("per_device_train_batch_size", 1)) * int(
        parameters.get("cutoff_len", 1024)
    )
    if stage in (Stage.DPO, Stage.KTO):
        tokens *= 2
    if parameters.get("disable_gradient_checkpointing"):
        body = shape.layers * WORKING_SET * shape.hidden
    else:
        body = (shape.layers + WORKING_SET) * shape.hidden
    logits = shape.vocabulary * (4 + 4 + width)  # fp32 logits, their gradient, the layer's output
    return tokens * (body * width + logits)


def places() -> list[Place]:
    """Slots of the machines that are there now, the roomiest first, GPUs before CPUs."""
    found = []
    for node in Node.objects.available().prefetch_related("slots"):
        sample = node.samples.order_by("-at").first()
        for slot in node.slots.all():
            room = slot.memory_bytes
            if not slot.is_gpu and sample is not None:
                room = max(0, node.memory_bytes - sample.memory_used_bytes)
            found.append(Place(node.name, slot.name, slot.is_gpu, room))
    return sorted(found, key=lambda place: (place.is_gpu, place.available_bytes), reverse=True)


def train_records(records: int, parameters: Mapping[str, Any]) -> int:
    records = min(records, int(parameters.get("max_samples") or records))
    held_out = float(parameters.get("val_size") or 0)
    if held_out >= 1:
        return max(0, records - int(held_out))
    return records - math.ceil(records * held_out)


def steps_of(records: int, parameters: Mapping[str, Any]) -> int:
    """As the trainer counts on one device; an upper bound where examples are packed."""
    if parameters.get("max_steps"):
        return int(parameters["max_steps"])
    batches = math.ceil(
        train_records(records, parameters) / int(parameters.get("per_device_train_batch_size", 1))
    )
    per_epoch = math.ceil(batches / int(parameters.get("gradient_accumulation_steps", 1)))
    return math.ceil(per_epoch * float(parameters.get("num_train_epochs", 3)))


def _examples_a_step(parameters: Mapping[str, Any]) -> int:
    return int(parameters.get("per_device_train_batch_size", 1)) * int(
        parameters.get("gradient_accumulation_steps", 1)
    )


def _seconds_an_example(
    user: User, base_model: BaseModel, stage: str, method: str
) -> tuple[float | None, int]:
    """The median of the person's last runs of this kind, and how many those were."""
    rows = TrainingJob.objects.for_user(user).filter(
        base_model=base_model,
        stage=stage,
        method=method,
        status=Status.SUCCESS,
        step_s__gt=0,
    )
    recent = rows.order_by("-finished_at")[:RUNS_CONSIDERED]
    found = [
        float(step_s or 0) / _examples_a_step(parameters)
        for step_s, parameters in recent.values_list("step_s", "parameters")
    ]
    return (statistics.median(found) if found else None), len(found)


def estimate(
    *,
    user: User,
    base_model: BaseModel,
    dataset: Dataset | None,
    stage: str,
    method: str,
    parameters: Mapping[str, Any],
) -> Estimate:
    """For cleaned `parameters`. Says what a job takes, not whether it is allowed."""
    here = places()
    best = here[0] if here else None
    shape = shape_of(base_model)
    memory = None
    if shape is not None:
        is_gpu = best is not None and best.is_gpu
        memory = memory_of(shape, stage=stage, method=method, parameters=parameters, is_gpu=is_gpu)
    steps = steps_of(dataset.records, parameters) if dataset is not None else None
    pace, runs = _seconds_an_example(user, base_model, stage, method)
    seconds = None
    if pace is not None and steps is not None:
        seconds = round(pace * _examples_a_step(parameters) * steps)
    return Estimate(
        memory=memory,
        trainable_parameters=trainable(shape, method, parameters) if shape else None,
        verdict=_verdict(memory, best),
        place=best,
        steps=steps,
        seconds=seconds,
        runs_known=runs,
    )


def _verdict(memory: Memory | None, place: Place | None) -> str:
    if place is None:
        return "no_node"
    if memory is None:
        return "unknown"
    share = memory.total / max(1, place.available_bytes)
    if share > 1:
        return "too_large"
    return "tight" if share > TIGHT_FROM else "fits"
