"""How a job shares machines: processes, strategy, limits; and what torchrun and DeepSpeed are told.

The configurations of DeepSpeed say "auto" wherever the trainer fills in its own value.
"""

from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from training.memory import NONE
from training.models import Method, Stage, Strategy

PROCESSES_MAX, NODES_MAX = 64, 64
# Yield to everybody; as usual; before everybody, which is for administrators to say.
PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH = -5, 0, 5
SHARDED = (Strategy.ZERO3, Strategy.FSDP)


@dataclass(frozen=True)
class Sharing:
    """`max_hours`, `idle_minutes`: None is as the settings say, 0 without a limit."""

    processes: int = 1
    nodes: int = 1
    strategy: str = Strategy.DDP.value
    priority: int = PRIORITY_NORMAL
    max_hours: float | None = None
    idle_minutes: int | None = None

    @property
    def is_parallel(self) -> bool:
        return self.processes * self.nodes > 1

    @property
    def memory_strategy(self) -> str:
        return NONE if self.strategy == Strategy.DDP else self.strategy

    def as_fields(self) -> dict[str, Any]:
        fields = asdict(self)
        fields["node_count"] = fields.pop("nodes")
        return fields


def checked_sharing(sharing: Sharing, *, owner: User, stage: str, method: str) -> Sharing:
    """As it was given. ValidationError keyed by field."""
    errors: dict[str, list[str]] = {}
    for name, value, most in (
        ("processes", sharing.processes, PROCESSES_MAX),
        ("nodes", sharing.nodes, NODES_MAX),
    ):
        if not 1 <= value <= most:
            errors[name] = [_("Enter a number from 1 to %(most)d.") % {"most": most}]
    if sharing.strategy not in Strategy.values:
        errors["strategy"] = [_("There is no such strategy.")]
    elif text := _strategy_trouble(sharing, stage, method):
        errors["strategy"] = [text]
    if not PRIORITY_LOW <= sharing.priority <= PRIORITY_HIGH:
        text = _("Enter a number from %(low)d to %(high)d.")
        errors["priority"] = [text % {"low": PRIORITY_LOW, "high": PRIORITY_HIGH}]
    elif sharing.priority > PRIORITY_NORMAL and not owner.is_admin:
        errors["priority"] = [_("Only administrators can put a job before those of others.")]
    for name, number in (("max_hours", sharing.max_hours), ("idle_minutes", sharing.idle_minutes)):
        if number is not None and not 0 <= number <= 100_000:
            errors[name] = [_("Enter 0 or more; 0 is without a limit.")]
    if errors:
        raise ValidationError(errors)
    return sharing


def _strategy_trouble(sharing: Sharing, stage: str, method: str) -> str:
    if sharing.strategy == Strategy.DDP:
        return ""
    if method == Method.QLORA and sharing.strategy in SHARDED:
        return _("Quantised weights cannot be shared out. Choose LoRA, or DDP, or ZeRO 2.")
    if sharing.strategy == Strategy.FSDP and not sharing.is_parallel:
        return _("FSDP needs two processes or more.")
    if sharing.strategy == Strategy.FSDP and stage in (Stage.DPO, Stage.KTO):
        return _("Preference training needs DDP or ZeRO.")
    return ""


def deepspeed_config(strategy: str) -> dict[str, Any] | None:
    """None where DeepSpeed has no part in it."""
    if strategy not in (Strategy.ZERO2, Strategy.ZERO3):
        return None
    stage = 2 if strategy == Strategy.ZERO2 else 3
    zero: dict[str, Any] = {
        "stage": stage,
        "overlap_comm": stage == 3,
        "contiguous_gradients": True,
        "reduce_bucket_size": "auto" if stage == 3 else 500_000_000,
    }
    if stage == 2:
        zero |= {
            "allgather_partitions": True,
            "allgather_bucket_size": 500_000_000,
            "reduce_scatter": True,
            "round_robin_gradients": True,
        }
    else:
        zero |= {
            "sub_group_size": 1_000_000_000,
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_max_live_parameters": 1_000_000_000,
            "stage3_max_reuse_distance": 1_000_000_000,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    return {
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "zero_allow_untested_optimizer": True,
        "fp16": {
            "enabled": "auto",
            "loss_scale": 0,
            "loss_scale_window": 1000,
            "initial_scale_power": 16,
            "hysteresis": 2,
            "min_loss_scale": 1,
        },
        "bf16": {"enabled": "auto"},
        "zero_optimization": zero,
    }


def parallel_arguments(
    strategy: str, *, is_parallel: bool, has_gpu: bool, deepspeed_path: str
) -> dict[str, Any]:
    """What LLaMA-Factory is told beside the job's own parameters."""
    args: dict[str, Any] = {}
    if is_parallel:
        # The default of 30 minutes is too short for a first rank that prepares a large dataset.
        args["ddp_timeout"] = 180_000_000
        if not has_gpu:
            args["ddp_backend"] = "gloo"
    if deepspeed_config(strategy) is not None:
        args["deepspeed"] = deepspeed_path
    if strategy == Strategy.FSDP:
        args["fsdp"] = "full_shard auto_wrap"
        args["fsdp_config"] = {
            "version": 1,
            "state_dict_type": "FULL_STATE_DICT",
            "use_orig_params": True,
            "cpu_ram_efficient_loading": False,
            "sync_module_states": True,
        }
    return args
