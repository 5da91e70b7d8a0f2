"""How much memory a training takes on one device, by part, and how much disk.

For decoder-only transformers. N: parameters, T: those that are trained, P: devices.

- Weights that stay as they are: 2 bytes in half precision, 4 in single; of a quantised model 0.52
  or 1.0 for what is linear, with its constants (Dettmers et al., "QLoRA", arXiv 2305.14314,
  section 3), while the embeddings stay as they were.
- What is trained is held in single precision with its gradient and Adam's two moments, 4 bytes
  each: 16 T, or half of that in pure bf16. Under autocast a half-precision copy of the weights is
  added, which counts where gradients are kept between batches.
- ZeRO and FSDP (Rajbhandari et al., "ZeRO", arXiv 1910.02054, section 3 and figure 1): 2 N weights,
  2 T gradients and 12 T of the optimiser, of which stage 1 divides the last by P, stage 2 the
  gradients as well, stage 3 everything.
- Activations: with checkpointing one hidden state a layer and the working set of one layer, else
  that of every layer. The working set counts what backward needs of a block with a gated MLP
  (compare Korthikanti et al., arXiv 2205.05198, section 4.1, for the ungated one).
- Logits: themselves, their copy in single precision, the log-softmax and the gradient. On a
  processor what is quantised counts at full width.

Checked against these figures and against measured peaks on processors (docs/training.md); on GPUs
it is checked against published figures only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.models import Method, Stage
from training.shapes import Shape

GIB = 1024**3
ADAPTER_METHODS = (Method.LORA, Method.QLORA)
# The context and libraries of a GPU process; the interpreter with its libraries on a processor.
OVERHEAD_BYTES = {True: int(0.9 * GIB), False: int(0.55 * GIB)}
# Buckets and gathered layers of DeepSpeed and FSDP, in elements of half precision.
BUCKET_ELEMENTS = 500_000_000
LOGITS_BYTES = {2: 16, 4: 16}  # a logit, by the width of activations
MOMENTS = {"adafactor": 0.01, "sgd": 0.0, "lion_32bit": 1.0, "adagrad": 1.0, "rmsprop": 1.0}
MOMENTS |= {
    "adamw_8bit": 0.51,
    "paged_adamw_8bit": 0.51,
    "lion_8bit": 0.26,
    "paged_lion_8bit": 0.26,
}
TOKENIZER_BYTES = 16 * 1024**2

NONE, ZERO2, ZERO3, FSDP = "none", "zero2", "zero3", "fsdp"


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    overhead: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.optimizer + self.activations + self.overhead

    def scaled(self, factor: float) -> "Memory":
        """As past runs of the kind had it."""
        return Memory(
            weights=int(self.weights * factor),
            gradients=int(self.gradients * factor),
            optimizer=int(self.optimizer * factor),
            activations=int(self.activations * factor),
            overhead=int(self.overhead * factor),
        )


@dataclass(frozen=True)
class Setup:
    """What is trained how: cleaned `parameters` with their defaults, on how many devices."""

    stage: str
    method: str
    parameters: Mapping[str, Any]
    devices: int = 1
    strategy: str = NONE

    def value(self, name: str, default: Any) -> Any:
        found = self.parameters.get(name)
        return default if found is None else found

    @property
    def is_half(self) -> bool:
        return any(self.parameters.get(name) for name in ("bf16", "fp16", "pure_bf16"))

    @property
    def has_reference(self) -> bool:
        """Whether a second copy of the model is held; an adapter is simply switched off for it."""
        if self.method in ADAPTER_METHODS:
            return False
        is_dpo = self.stage == Stage.DPO and self.value("pref_loss", "sigmoid") not in (
            *("orpo", "simpo"),
        )
        return is_dpo or self.stage == Stage.KTO or bool(self.parameters.get("use_asft_loss"))

    @property
    def batch_tokens(self) -> int:
        tokens = int(self.value("per_device_train_batch_size", 1)) * int(
            self.value("cutoff_len", 1024)
        )
        return tokens * 2 if self.stage in (Stage.DPO, Stage.KTO, Stage.RM) else tokens


def trainable(shape: Shape, setup: Setup) -> int:
    if setup.method in ADAPTER_METHODS:
        rank = int(setup.value("lora_rank", 8))
        count = rank * shape.adapter_width(str(setup.value("lora_target", "all")))
        if "embed_tokens" in str(setup.value("additional_target", "")):
            count += shape.embeddings
        return count
    if setup.method == Method.FREEZE:
        layers = min(shape.layers, abs(int(setup.value("freeze_trainable_layers", 2))))
        return shape.body * layers // shape.layers
    return shape.parameters


def memory_of(shape: Shape, setup: Setup, *, is_gpu: bool) -> Memory:
    trained = trainable(shape, setup)
    width = 2 if setup.is_half else 4
    if setup.strategy == NONE:
        weights, gradients, optimizer = _alone(shape, setup, trained, is_gpu=is_gpu)
        overhead = OVERHEAD_BYTES[is_gpu]
    else:
        weights, gradients, optimizer = _divided(shape, setup, trained)
        overhead = OVERHEAD_BYTES[is_gpu] + 2 * 2 * min(BUCKET_ELEMENTS, shape.parameters // 4)
    return Memory(
        weights=int(weights),
        gradients=int(gradients),
        optimizer=int(optimizer),
        activations=_activations(shape, setup, width),
        overhead=overhead,
    )


def _alone(shape: Shape, setup: Setup, trained: int, *, is_gpu: bool) -> tuple[float, float, float]:
    """Weights, gradients and optimiser where every device holds all of them."""
    # On a GPU the trainer loads half precision whether or not it is asked to.
    frozen = 2 if setup.is_half or is_gpu else 4
    part = 2 if setup.parameters.get("pure_bf16") else 4
    if setup.method in ADAPTER_METHODS:
        # A processor loads what it quantises at full width, and gives little of that back.
        is_kept_whole = setup.method == Method.QLORA and not is_gpu
        whole = float(shape.parameters * frozen)
        weights = whole if is_kept_whole else _frozen_bytes(shape, setup, frozen)
        weights += trained * part
    else:
        weights = (shape.parameters - trained) * frozen + trained * part
        if setup.has_reference:
            weights += shape.parameters * frozen
        keeps = int(setup.value("gradient_accumulation_steps", 1)) > 1
        if part == 4 and setup.is_half and keeps:
            weights += trained * 2
    return weights, trained * part, _moments(setup) * trained * part


def _divided(shape: Shape, setup: Setup, trained: int) -> tuple[float, float, float]:
    """The same under ZeRO and FSDP, on each of the devices."""
    count = max(1, setup.devices)
    whole = _frozen_bytes(shape, setup, 2) if setup.method in ADAPTER_METHODS else 0
    weights = (whole or shape.parameters * 2) + (trained * 2 if whole else 0)
    if setup.has_reference:
        weights += shape.parameters * 2
    master = trained * 4
    optimizer = (master + _moments(setup) * trained * 4) / count
    gradients: float = trained * 2
    if setup.strategy in (ZERO2, ZERO3, FSDP):
        gradients /= count
    if setup.strategy in (ZERO3, FSDP):
        weights /= count
    return weights, gradients, optimizer


def _frozen_bytes(shape: Shape, setup: Setup, width: int) -> float:
    if setup.method != Method.QLORA:
        return shape.parameters * width
    if str(setup.value("quantization_bit", 4)) == "8":
        a_weight = 1.0
    else:
        a_weight = 0.516 if setup.value("double_quantization", True) else 0.5625
    return shape.body * a_weight + shape.embeddings * width


def _moments(setup: Setup) -> float:
    """Moments of the optimiser, in copies of what is trained."""
    if setup.parameters.get("use_muon"):
        return 1.0
    return MOMENTS.get(str(setup.value("optim", "")), 2.0)


def _activations(shape: Shape, setup: Setup, width: int) -> int:
    tokens = setup.batch_tokens
    layer = shape.working_set * width
    if setup.value("flash_attn", "auto") == "disabled":
        layer += shape.heads * int(setup.value("cutoff_len", 1024)) * (2 * width + 4)
    if setup.parameters.get("disable_gradient_checkpointing"):
        body = shape.layers * layer
    elif setup.parameters.get("use_unsloth_gc"):
        body = layer + shape.hidden * width
    else:
        body = shape.layers * shape.hidden * width + layer
    is_fused = bool(setup.parameters.get("enable_liger_kernel"))
    logits = 0 if is_fused or setup.stage == Stage.RM else shape.vocabulary * LOGITS_BYTES[width]
    return int(tokens * (body + logits))


def checkpoint_bytes(shape: Shape, setup: Setup) -> int:
    """One checkpoint: what was trained, and the optimiser."""
    trained = trainable(shape, setup)
    part = 2 if setup.parameters.get("pure_bf16") else 4
    is_adapter = setup.method in ADAPTER_METHODS
    weights = trained * part if is_adapter else shape.parameters * part
    return int(weights + trained * part * _moments(setup)) + TOKENIZER_BYTES


def disk_bytes(shape: Shape, setup: Setup, steps: int | None) -> int:
    """At most, while it runs: the checkpoints kept, the one being written, and the result."""
    every = max(1, int(setup.value("save_steps", 100)))
    saves = 1 if steps is None else max(1, -(-steps // every))
    kept = min(saves, int(setup.value("save_total_limit", 2)) + 1)
    one = checkpoint_bytes(shape, setup)
    return kept * one + one
