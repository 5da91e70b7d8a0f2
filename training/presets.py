"""Sets of parameters that the form fills in at one click, and what each of them is for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from training.argument_table import Text, Value
from training.models import Method, Stage

Values = dict[str, Value]

ADAPTERS = (Method.LORA, Method.QLORA)


@dataclass(frozen=True)
class Preset:
    """`values` for every method; `adapter` and `weights` for those that train one or the other.

    `pairs`: instead, where two answers are compared (DPO, KTO).
    """

    slug: str
    label: Text
    help: Text
    values: Values
    adapter: Values
    weights: Values
    pairs: Values


PRESETS: tuple[Preset, ...] = (
    Preset(
        "quick",
        _("Quick try"),
        _("One pass over 200 short examples. It tells within minutes whether everything runs."),
        {
            "num_train_epochs": 1.0,
            "max_samples": 200,
            "cutoff_len": 512,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 1,
            "lr_scheduler_type": "constant",
            "warmup_ratio": 0.0,
            "val_size": 0.0,
            "logging_steps": 1,
        },
        {"learning_rate": 1e-4, "lora_rank": 8, "lora_alpha": 16},
        {"learning_rate": 1e-5},
        {"learning_rate": 5e-6},
    ),
    Preset(
        "balanced",
        _("Balanced"),
        _("Three passes with an adapter of middle size. A good beginning for most datasets."),
        {
            "num_train_epochs": 3.0,
            "cutoff_len": 1024,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 4,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.1,
            "val_size": 0.05,
            "logging_steps": 5,
        },
        {"learning_rate": 1e-4, "lora_rank": 16, "lora_alpha": 32},
        {"learning_rate": 1e-5},
        {"learning_rate": 5e-6},
    ),
    Preset(
        "quality",
        _("Quality"),
        _(
            "A larger adapter, longer examples, a tenth held out, and the best checkpoint kept. "
            "It takes more memory and time."
        ),
        {
            "num_train_epochs": 5.0,
            "cutoff_len": 2048,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 8,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.1,
            "weight_decay": 0.01,
            "val_size": 0.1,
            "eval_steps": 50,
            "save_steps": 50,
            "load_best_model_at_end": True,
            "logging_steps": 5,
        },
        {"learning_rate": 1e-4, "lora_rank": 64, "lora_alpha": 128, "lora_dropout": 0.05},
        {"learning_rate": 5e-6},
        {"learning_rate": 5e-6},
    ),
    Preset(
        "low_memory",
        _("Low memory"),
        _("Short examples one at a time, many of them a step. The same learning in less memory."),
        {
            "num_train_epochs": 3.0,
            "cutoff_len": 512,
            "per_device_train_batch_size": 1,
            "gradient_accumulation_steps": 16,
            "lr_scheduler_type": "cosine",
            "warmup_ratio": 0.1,
        },
        {"learning_rate": 1e-4, "lora_rank": 8, "lora_alpha": 16},
        {"learning_rate": 1e-5, "optim": "adafactor"},
        {"learning_rate": 5e-6},
    ),
)
BY_SLUG = {preset.slug: preset for preset in PRESETS}
# The trainer cannot compare checkpoints of a reward model.
NOT_FOR_REWARDS = ("load_best_model_at_end",)


def preset_values(slug: str, *, stage: str, method: str, has_bf16: bool = False) -> Values:
    """What the preset sets for this stage and method; nothing for an unknown one."""
    preset = BY_SLUG.get(slug)
    if preset is None:
        return {}
    values = preset.values | (preset.adapter if method in ADAPTERS else preset.weights)
    if stage in (Stage.DPO, Stage.KTO):
        values = values | preset.pairs
    if stage == Stage.RM:
        values = {name: value for name, value in values.items() if name not in NOT_FOR_REWARDS}
    return values | ({"bf16": True} if has_bf16 else {})


@dataclass(frozen=True)
class PresetButton:
    label: Text
    help: Text
    values_json: str


def preset_buttons(*, has_bf16: bool) -> list[PresetButton]:
    """For the page, whose script chooses by stage and method as preset_values() does."""
    extra: Values = {"bf16": True} if has_bf16 else {}
    return [
        PresetButton(
            preset.label,
            preset.help,
            json.dumps(
                {
                    "common": _texts(preset.values | extra),
                    "adapter": _texts(preset.adapter),
                    "weights": _texts(preset.weights),
                    "pairs": _texts(preset.pairs),
                    "not_for_rewards": NOT_FOR_REWARDS,
                }
            ),
        )
        for preset in PRESETS
    ]


def shown(values: Mapping[str, Any]) -> str:
    """For the page's script: each value as its field writes it."""
    return json.dumps(_texts(values))


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: field_text(value) for name, value in values.items()}


def field_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)
