"""How a job shares machines: processes, strategy, limits; and what torchrun and DeepSpeed are told.

The configurations of DeepSpeed say "auto" wherever the trainer fills in its own value.
"""

from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from training.memory import NONE
from training.models import Method, SharingSettings, Stage, Strategy

PROCESSES_MAX, NODES_MAX = 64, 64
LIMIT_MAX = 100_000  # hours, or minutes
# Yield to everybody; as usual; before everybody, which is for administrators to say.
PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH = -5, 0, 5
SHARDED = (Strategy.ZERO3, Strategy.FSDP)


@dataclass(frozen=True)
class Sharing:
    """`max_hours`, `idle_minutes`: None is as the settings say, 0 without a limit, which is for
    administrators to say."""

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
    def lifted(self) -> tuple[str, ...]:
        """The limits that this job is to run without, whatever the settings say."""
        return tuple(name for name in ("max_hours", "idle_minutes") if getattr(self, name) == 0)

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
    errors |= _limit_errors(sharing, owner)
    if errors:
        raise ValidationError(errors)
    return sharing


def _limit_errors(sharing: Sharing, owner: User) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for name in ("max_hours", "idle_minutes"):
        number = getattr(sharing, name)
        if number is not None and not 0 <= number <= LIMIT_MAX:
            text = _("Enter a number from %(low)d to %(high)d.")
            errors[name] = [text % {"low": 0, "high": LIMIT_MAX}]
        elif name in sharing.lifted and not owner.is_admin:
            errors[name] = [_lifted_text(name)]
    return errors


def _lifted_text(name: str) -> str:
    common = getattr(SharingSettings.current(), name)
    if common is None:
        return _(
            "0 means no limit even if the settings get one, which only administrators may choose. "
            "Leave it empty: there is no limit at the moment."
        )
    text = _(
        "0 means no limit, which only administrators may choose. Leave it empty (the settings say "
        "%(common)s), or enter another number."
    )
    return text % {"common": f"{common:g}"}


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
