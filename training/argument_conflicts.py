"""Values that are each allowed and cannot go together; and what is allowed and rarely meant."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from training.argument_table import BY_NAME
from training.llamafactory import save_and_eval_steps
from training.models import Method, Stage

Found = list[tuple[str, str]]
Values = Mapping[str, Any]

PRECISIONS = ("bf16", "fp16", "pure_bf16")
ONE_OPTIMISER = ("use_muon", "use_adam_mini", "use_galore", "use_apollo", "use_badam")
ONE_LOSS = ("use_dft_loss", "use_asft_loss", "use_eaft_loss")
# Refused or without effect where there is no GPU.
GPU_ONLY = ("pure_bf16", "tf32", "fp8", "use_unsloth", "use_unsloth_gc", "enable_liger_kernel")
GPU_OPTIMISERS = ("adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "lion_8bit")
NEEDS_EVALUATION = (
    *("eval_steps", "eval_delay", "eval_on_start", "early_stopping_steps", "metric_for_best_model"),
    *("load_best_model_at_end", "compute_accuracy", "prediction_loss_only"),
)
# Learning rates that mostly end badly: an adapter hardly moves, or a whole model is torn apart.
RATES = {Method.LORA: (1e-5, 2e-3), Method.QLORA: (1e-5, 2e-3)}
RATES |= {Method.FULL: (1e-7, 1e-4), Method.FREEZE: (1e-7, 2e-4)}


def conflicts(values: Values, *, has_eval_dataset: bool = False) -> Found:
    """(parameter, what stands against it) each."""
    checks = (
        *(_precisions, _learned_parts, _best_model, _metrics, _losses, _sizes),
        *(_alternatives, _loading, _schedules, _adapters, _layerwise),
    )
    found = _evaluations(values, has_eval_dataset=has_eval_dataset)
    return found + [each for check in checks for each in check(values)]


def _precisions(values: Values) -> Found:
    chosen = [name for name in PRECISIONS if values.get(name)]
    text = _("Choose one of bf16, fp16 and pure bf16.")
    found = [(name, text) for name in chosen[1:]]
    if values.get("bf16_full_eval") and values.get("fp16_full_eval"):
        found.append(("fp16_full_eval", _("Evaluate in one of bf16 and fp16.")))
    if values.get("flash_attn") in ("fa2", "fa3") and not chosen:
        found.append(("flash_attn", _("Flash attention needs bf16 or fp16.")))
    return found


def _learned_parts(values: Values) -> Found:
    if values.get("mask_history") and values.get("train_on_prompt"):
        return [("mask_history", _("Questions cannot be learned and left out at once."))]
    if values.get("neat_packing") and values.get("packing") is False:
        return [("neat_packing", _("This packs, and packing is switched off."))]
    return []


def _evaluations(values: Values, *, has_eval_dataset: bool) -> Found:
    if values.get("val_size") and has_eval_dataset:
        text = _("An evaluation dataset is chosen; set this to 0, or choose none.")
        return [("val_size", text)]
    if values.get("val_size") or has_eval_dataset:
        if values.get("eval_strategy") != "steps" and values.get("eval_strategy"):
            text = _("This needs evaluation by steps.")
            return [("eval_steps", text)] if values.get("eval_steps") else []
        return []
    text = _("This needs examples held out for evaluation.")
    asks = [name for name in NEEDS_EVALUATION if values.get(name)]
    if values.get("eval_strategy", "no") != "no":
        asks.append("eval_strategy")
    return [(name, text) for name in asks]


def _best_model(values: Values) -> Found:
    """The trainer knows only checkpoints: the best evaluation without one would be lost."""
    name = "load_best_model_at_end"
    if not values.get(name):
        if values.get("early_stopping_steps"):
            return [("early_stopping_steps", _("This needs “Keep the best checkpoint”."))]
        return []
    when, saved = values.get("eval_strategy", "steps"), values.get("save_strategy", "steps")
    if when == saved == "epoch":
        return []
    if saved != "steps":
        return [("save_strategy", _("The best checkpoint needs checkpoints by steps."))]
    if when != "steps":
        return [(name, _("This needs evaluation by steps."))]
    steps = save_and_eval_steps(values)
    if steps["save_steps"] != steps["eval_steps"]:
        text = _("The best checkpoint needs one at each evaluation: give both the same steps.")
        return [("save_steps", text)]
    return []


def _metrics(values: Values) -> Found:
    is_accuracy = values.get("metric_for_best_model") == "eval_accuracy"
    if is_accuracy and not values.get("compute_accuracy"):
        return [("metric_for_best_model", _("This needs “Token accuracy”."))]
    if values.get("compute_accuracy") and values.get("prediction_loss_only"):
        return [("prediction_loss_only", _("Accuracy cannot be told from the loss alone."))]
    return []


def _losses(values: Values) -> Found:
    if values.get("dpo_label_smoothing") and values.get("pref_loss", "sigmoid") != "sigmoid":
        return [("dpo_label_smoothing", _("This works with the sigmoid loss only."))]
    return []


def _sizes(values: Values) -> Found:
    found = []
    if values.get("freeze_trainable_layers") == 0:
        found.append(("freeze_trainable_layers", _("At least one layer must be trained.")))
    val_size = values.get("val_size", 0)
    if val_size > 1 and val_size != int(val_size):
        found.append(("val_size", _("Enter a share below 1 or a whole number of examples.")))
    elif val_size == 1:
        found.append(("val_size", _("A share must be below 1.")))
    if values.get("image_min_pixels", 0) > values.get("image_max_pixels", 10**9):
        found.append(("image_min_pixels", _("The smallest cannot be larger than the largest.")))
    if values.get("video_min_pixels", 0) > values.get("video_max_pixels", 10**9):
        found.append(("video_min_pixels", _("The smallest cannot be larger than the largest.")))
    return found


def _alternatives(values: Values) -> Found:
    text = _("Choose one: %(name)s is set, too.")
    found = []
    for family in (ONE_OPTIMISER, ONE_LOSS):
        chosen = [name for name in family if values.get(name)]
        found += [(name, text % {"name": BY_NAME[chosen[0]].label}) for name in chosen[1:]]
    return found


def _loading(values: Values) -> Found:
    if values.get("dataloader_num_workers"):
        return []
    text = _("This needs at least one process that loads batches.")
    names = ("dataloader_prefetch_factor", "dataloader_persistent_workers")
    return [(name, text) for name in names if values.get(name)]


def _schedules(values: Values) -> Found:
    """The trainer would say so only once the model is loaded."""
    schedule, details = values.get("lr_scheduler_type", ""), values.get("lr_scheduler_kwargs", {})
    if schedule in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        if not {"min_lr", "min_lr_rate"} & details.keys():
            return [("lr_scheduler_kwargs", _("This schedule needs min_lr or min_lr_rate."))]
    elif schedule == "warmup_stable_decay" and "num_decay_steps" not in details:
        return [("lr_scheduler_kwargs", _("This schedule needs num_decay_steps."))]
    return []


def _adapters(values: Values) -> Found:
    if values.get("pissa_convert") and not values.get("pissa_init"):
        return [("pissa_convert", _("This needs PiSSA."))]
    if values.get("pissa_init") and values.get("use_dora"):
        return [("pissa_init", _("PiSSA and DoRA cannot go together."))]
    return []


def _layerwise(values: Values) -> Found:
    if values.get("gradient_accumulation_steps", 1) == 1:
        return []
    text = _("Layer by layer works without gradient accumulation only.")
    return [(name, text) for name in ("galore_layerwise", "apollo_layerwise") if values.get(name)]


def without_gpu(values: Values) -> Found:
    """What cannot work where only processors are."""
    text = _("This needs a GPU, and no node that is there now has one.")
    found = [(name, text) for name in GPU_ONLY if values.get(name)]
    if values.get("optim") in GPU_OPTIMISERS:
        found.append(("optim", text))
    return found


def against_records(values: Values, records: int) -> Found:
    """`records`: how many examples the dataset has."""
    kept = min(records, int(values.get("max_samples") or records))
    share = float(values.get("val_size") or 0)
    held_out = share if share > 1 else math.ceil(kept * share)
    if kept and held_out >= kept:
        text = _("The dataset has %(count)s examples; nothing would be left to learn from.")
        return [("val_size", text % {"count": f"{kept:,}"})]
    return []


def notes(
    values: Values,
    *,
    stage: str,
    method: str,
    context_tokens: int | None,
    records: int,
    has_gpu: bool,
) -> Found:
    """What is allowed and rarely meant, for somebody who is still typing."""
    found = _rate_notes(values, method)
    length = values.get("cutoff_len", BY_NAME["cutoff_len"].default)
    if context_tokens and length > context_tokens and not values.get("rope_scaling"):
        text = _("The model was made for %(count)s tokens; longer examples need RoPE scaling.")
        found.append(("cutoff_len", text % {"count": f"{context_tokens:,}"}))
    batch = int(values.get("per_device_train_batch_size", 1))
    step = batch * int(values.get("gradient_accumulation_steps", 1))
    if step > records:
        text = _("One step would see more than the whole dataset.")
        found.append(("gradient_accumulation_steps", text))
    if has_gpu and not any(values.get(name) for name in PRECISIONS):
        found.append(("bf16", _("On a GPU, half precision is twice as fast and takes half.")))
    grows = values.get("add_tokens") or values.get("add_special_tokens")
    if grows and method == Method.LORA and not values.get("additional_target"):
        text = _("New tokens are learned only if embed_tokens and lm_head are trained.")
        found.append(("additional_target", text))
    if stage == Stage.PT and values.get("template"):
        found.append(("template", _("Plain text is read without a chat template.")))
    return found


def _rate_notes(values: Values, method: str) -> Found:
    rate = values.get("learning_rate", BY_NAME["learning_rate"].default)
    low, high = RATES.get(Method(method), (0.0, 1.0))
    if rate > high:
        text = _("High for this method: above %(limit)s trainings often fall apart.")
        return [("learning_rate", text % {"limit": f"{high:g}"})]
    if rate < low:
        text = _("Low for this method: below %(limit)s hardly anything is learned.")
        return [("learning_rate", text % {"limit": f"{low:g}"})]
    return []


def by_field(found: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    for name, text in found:
        errors.setdefault(name, []).append(text)
    return errors
