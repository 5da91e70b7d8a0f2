"""Checks what a person sets before anything starts: typed values for LLaMA-Factory, or reasons."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llmplatform.text import UNSTORABLE
from training.argument_table import ARGUMENTS, BY_NAME, GROUPS, Argument, Value
from training.chat_templates import TEMPLATES

__all__ = [
    "ARGUMENTS",
    "BY_NAME",
    "GROUPS",
    "HUB_ID",
    "PRESETS",
    "TEMPLATES",
    "Argument",
    "applicable",
    "clean",
]

HUB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
MODULES = re.compile(r"[A-Za-z0-9_.]+(,[A-Za-z0-9_.]+)*")
TEXT_MAX = {"default_system": 10_000}
TRUE = {"true", "on", "1", "yes"}
FALSE = {"false", "off", "0", "no"}

# What the buttons of the form fill in; rank and rate only where the method has them.
PRESETS: dict[str, dict[str, Value]] = {
    "quick": {
        "num_train_epochs": 1.0,
        "max_samples": 200,
        "lora_rank": 8,
        "cutoff_len": 512,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
    },
    "balanced": {
        "num_train_epochs": 3.0,
        "lora_rank": 16,
        "cutoff_len": 1024,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 4,
    },
    "quality": {
        "num_train_epochs": 5.0,
        "lora_rank": 64,
        "cutoff_len": 2048,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "val_size": 0.1,
    },
    "low_memory": {
        "num_train_epochs": 3.0,
        "lora_rank": 8,
        "cutoff_len": 512,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
    },
}


def applicable(*, stage: str, method: str) -> list[Argument]:
    return [argument for argument in ARGUMENTS if argument.fits(stage=stage, method=method)]


def clean(parameters: Mapping[str, Any], *, stage: str, method: str) -> dict[str, Any]:
    """Typed values by LLaMA-Factory's names; None and empty texts count as not given.

    ValidationError keyed by parameter: unknown, of the wrong type, out of range, not for this
    stage or method, or in conflict with another one.
    """
    values: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, raw in parameters.items():
        if raw is None or raw == "":
            continue
        try:
            values[name] = _value(_argument(str(name), stage, method), raw)
        except ValidationError as error:
            errors[str(name)] = error.messages
    for name, text in _conflicts(values) if not errors else ():
        errors.setdefault(name, []).append(text)
    if errors:
        raise ValidationError(dict(errors))
    if "quantization_bit" in values:
        values["quantization_bit"] = int(values["quantization_bit"])
    return values


def _argument(name: str, stage: str, method: str) -> Argument:
    argument = BY_NAME.get(name)
    if argument is None:
        raise ValidationError(_("This parameter does not exist or is set by the platform itself."))
    if not argument.fits(stage=stage, method=method):
        raise ValidationError(_("This parameter does not apply to this stage and method."))
    return argument


def _value(argument: Argument, raw: Any) -> Value:
    return _READERS[argument.kind](argument, raw)


def _number(argument: Argument, raw: Any) -> float:
    if isinstance(raw, bool):
        raise ValidationError(_("Enter a number."))
    try:
        number = float(raw)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValidationError(_("Enter a number.")) from error
    if not math.isfinite(number):
        raise ValidationError(_("Enter a number."))
    _check_range(argument, number)
    return number


def _check_range(argument: Argument, number: float) -> None:
    if argument.above is not None and number <= argument.above:
        text = _("Must be greater than %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.above:g}"})
    if argument.minimum is not None and number < argument.minimum:
        text = _("Must be at least %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.minimum:g}"})
    if argument.maximum is not None and number > argument.maximum:
        text = _("Must be at most %(limit)s.")
        raise ValidationError(text % {"limit": f"{argument.maximum:,g}"})


def _read_int(argument: Argument, raw: Any) -> int:
    number = _number(argument, raw)
    if number != int(number):
        raise ValidationError(_("Enter a whole number."))
    return int(number)


def _read_bool(argument: Argument, raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    word = str(raw).strip().lower()
    if word not in TRUE | FALSE:
        raise ValidationError(_("Enter true or false."))
    return word in TRUE


def _read_choice(argument: Argument, raw: Any) -> str:
    if isinstance(raw, bool) or str(raw) not in argument.choices:
        text = _("Choose one of: %(choices)s.")
        raise ValidationError(text % {"choices": ", ".join(argument.choices)})
    return str(raw)


def _read_text(argument: Argument, raw: Any) -> str:
    if not isinstance(raw, str) or len(raw) > TEXT_MAX.get(argument.name, 500):
        raise ValidationError(_("Enter a shorter text."))
    text = raw.strip()
    if UNSTORABLE.search(text):
        raise ValidationError(_("The text contains characters that cannot be stored."))
    if argument.name == "template" and text not in TEMPLATES:
        raise ValidationError(_("There is no such chat template."))
    if argument.group in ("lora", "freeze") and not MODULES.fullmatch(text):
        raise ValidationError(_("Enter names of modules with commas between them."))
    return text


_READERS: dict[str, Callable[[Argument, Any], Value]] = {
    "int": _read_int,
    "float": _number,
    "bool": _read_bool,
    "choice": _read_choice,
    "text": _read_text,
}


def _conflicts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What each value allows, but not all together."""
    checks = (_precisions, _learned_parts, _evaluations, _best_model, _losses, _sizes)
    return [found for check in checks for found in check(values)]


def _precisions(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    chosen = [name for name in ("bf16", "fp16", "pure_bf16") if values.get(name)]
    text = _("Choose one of bf16, fp16 and pure bf16.")
    return [(name, text) for name in chosen[1:]]


def _learned_parts(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    if values.get("mask_history") and values.get("train_on_prompt"):
        return [("mask_history", _("Questions cannot be learned and left out at once."))]
    return []


def _evaluations(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    if values.get("val_size"):
        if values.get("eval_strategy") != "steps" and values.get("eval_strategy"):
            text = _("This needs evaluation by steps.")
            return [("eval_steps", text)] if values.get("eval_steps") else []
        return []
    text = _("This needs examples held out for evaluation.")
    asks = [name for name in ("eval_steps", "early_stopping_steps") if values.get(name)]
    asks += [name for name in ("load_best_model_at_end", "compute_accuracy") if values.get(name)]
    if values.get("eval_strategy", "no") != "no":
        asks.append("eval_strategy")
    return [(name, text) for name in asks]


def _best_model(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The trainer compares checkpoints, so each must fall on an evaluation."""
    name = "load_best_model_at_end"
    if not values.get(name):
        if values.get("early_stopping_steps"):
            return [("early_stopping_steps", _("This needs “Keep the best checkpoint”."))]
        return []
    if values.get("eval_strategy", "steps") != "steps":
        return [(name, _("This needs evaluation by steps."))]
    logging_steps = values.get("logging_steps", BY_NAME["logging_steps"].default)
    eval_steps = values.get("eval_steps", logging_steps * 2)
    if values.get("save_steps", BY_NAME["save_steps"].default) % eval_steps:
        text = _("Checkpoints must fall on evaluations: make one a multiple of the other.")
        return [("save_steps", text)]
    return []


def _losses(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    if values.get("dpo_label_smoothing") and values.get("pref_loss", "sigmoid") != "sigmoid":
        return [("dpo_label_smoothing", _("This works with the sigmoid loss only."))]
    return []


def _sizes(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    if values.get("freeze_trainable_layers") == 0:
        found.append(("freeze_trainable_layers", _("At least one layer must be trained.")))
    val_size = values.get("val_size", 0)
    if val_size > 1 and val_size != int(val_size):
        found.append(("val_size", _("Enter a share below 1 or a whole number of examples.")))
    elif val_size == 1:
        found.append(("val_size", _("A share must be below 1.")))
    return found
