"""A job in LLaMA-Factory's words: the typed arguments that the runner hands to `run_exp`.

Only names from our own table of arguments reach it (arguments.py); paths, hub access, remote code
and reporting are set here and nowhere else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from training.errors import Unbuildable
from training.models import (
    BaseModel,
    Deployment,
    Method,
    ModelVersion,
    Reason,
    Stage,
    TrainingJob,
)

SEED = 42
# Ours alone, whatever a person asks for.
FIXED: dict[str, Any] = {
    "do_train": True,
    "trust_remote_code": False,
    "report_to": "none",
    "disable_tqdm": True,
    "include_num_input_tokens_seen": True,
    "plot_loss": False,
}
DEFAULTS: dict[str, Any] = {
    "cutoff_len": 1024,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-4,
    "num_train_epochs": 3.0,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "logging_steps": 5,
    "save_steps": 100,
    "save_total_limit": 2,
    "seed": SEED,
}
METHOD_ARGUMENTS: dict[str, dict[str, Any]] = {
    Method.LORA: {"finetuning_type": "lora", "lora_target": "all"},
    Method.QLORA: {
        "finetuning_type": "lora",
        "lora_target": "all",
        "quantization_bit": 4,
        "quantization_method": "bnb",
    },
    Method.FREEZE: {"finetuning_type": "freeze"},
    Method.FULL: {"finetuning_type": "full"},
}


def template_of(base_model: BaseModel, parameters: Mapping[str, Any]) -> str | None:
    """The chat template; None lets LLaMA-Factory take the tokenizer's own."""
    return parameters.get("template") or base_model.template or None


def preview_args(
    *,
    stage: str,
    method: str,
    base_model: BaseModel,
    dataset_name: str,
    parameters: Mapping[str, Any],
    eval_dataset_name: str = "",
) -> dict[str, Any]:
    """The arguments as a person is shown them: paths of this installation are left out."""
    args: dict[str, Any] = {"stage": str(stage), "model_name_or_path": base_model.location}
    args |= {"dataset": dataset_name}
    if eval_dataset_name:
        args["eval_dataset"] = eval_dataset_name
    args |= METHOD_ARGUMENTS[method] | DEFAULTS
    if stage == Stage.PT:
        args["packing"] = True
    if template := template_of(base_model, parameters):
        args["template"] = template
    args |= {name: value for name, value in parameters.items() if value is not None}
    if args.get("val_size") or eval_dataset_name:
        args |= {"eval_strategy": "steps", "per_device_eval_batch_size": 1} | {
            name: args[name]
            for name in ("eval_strategy", "per_device_eval_batch_size")
            if name in parameters
        }
        args |= save_and_eval_steps(parameters)
    return args | FIXED


def save_and_eval_steps(parameters: Mapping[str, Any]) -> dict[str, int]:
    """Where the best checkpoint is kept, what is evaluated has to be saved as well, or the trainer
    keeps another one: of the two intervals that which isn't given follows the other."""
    saved, evaluated = parameters.get("save_steps"), parameters.get("eval_steps")
    if parameters.get("load_best_model_at_end"):
        saved = saved or evaluated or DEFAULTS["save_steps"]
        evaluated = evaluated or saved
    every = int(parameters.get("logging_steps") or DEFAULTS["logging_steps"])
    saved, evaluated = saved or DEFAULTS["save_steps"], evaluated or 2 * every
    return {"save_steps": int(saved), "eval_steps": int(evaluated)}


def shown_args(job: TrainingJob) -> dict[str, Any]:
    """Of a job, as preview_args()."""
    return preview_args(
        stage=str(job.stage),
        method=str(job.method),
        base_model=job.base_model,
        dataset_name=job.dataset.name,
        parameters=job.parameters,
        eval_dataset_name=job.eval_dataset.name if job.eval_dataset else "",
    )


def runner_args(
    job: TrainingJob, *, output: Path, data: Path, dataset_names: list[str], has_gpu: bool
) -> dict[str, Any]:
    """`dataset_names`: what it learns from, then what it is evaluated on if that is its own."""
    args = preview_args(
        stage=job.stage,
        method=job.method,
        base_model=job.base_model,
        dataset_name=dataset_names[0],
        parameters=job.parameters,
        eval_dataset_name=dataset_names[1] if len(dataset_names) > 1 else "",
    )
    args |= {"dataset_dir": str(data), "output_dir": str(output)}
    start = job.start_version
    if start is not None and start.is_adapter:
        # Its weights are trained further; rank and modules stay what they are.
        args |= {"model_name_or_path": start.base_path, "adapter_name_or_path": start.path}
    elif start is not None:
        args["model_name_or_path"] = start.path
    if job.checkpoint:
        args["resume_from_checkpoint"] = job.checkpoint
    if not has_gpu:
        args["use_cpu"] = True
    return args


def serving_args(version: ModelVersion) -> dict[str, Any]:
    """What LLaMA-Factory's API server is given for this version."""
    args: dict[str, Any] = {"infer_backend": "huggingface", "trust_remote_code": False}
    if version.template:
        args["template"] = version.template
    if not version.is_adapter or version.base_model is None:
        return args | {"model_name_or_path": version.path}
    args |= {"model_name_or_path": version.base_path, "finetuning_type": "lora"}
    args["adapter_name_or_path"] = version.path
    method = version.lineage.get("method")
    if method == Method.QLORA:
        bits = version.lineage.get("parameters", {}).get("quantization_bit", 4)
        args |= {"quantization_bit": bits, "quantization_method": "bnb"}
    return args


def export_args(version: ModelVersion) -> dict[str, Any]:
    """What its export is given: the adapter is merged into the model at full precision, also where
    it was trained on a quantised one."""
    args = serving_args(version)
    left_out = ("infer_backend", "quantization_bit", "quantization_method")
    kept = {name: value for name, value in args.items() if name not in left_out}
    return kept | {"export_device": "cpu", "export_size": 5, "export_legacy_format": False}


def base_serving_args(version: ModelVersion) -> dict[str, Any]:
    """The model that this version was made from, loaded as the version itself is.

    Raises Unbuildable where nobody knows any more where that is.
    """
    location = version.base_model.location if version.base_model is not None else ""
    location = location or version.lineage.get("base_location", "")
    if not location:
        raise Unbuildable(Reason.MODEL, "the base model is not registered any more")
    kept = {"infer_backend", "trust_remote_code", "template"}
    kept |= {"quantization_bit", "quantization_method"}
    args = {name: value for name, value in serving_args(version).items() if name in kept}
    return args | {"model_name_or_path": location}


def trainer_rendering_args(version: ModelVersion) -> dict[str, Any]:
    """What is needed to render a prompt as the training did: tokenizer and template."""
    args = base_serving_args(version)
    return {name: args[name] for name in args if not name.startswith("quantization")}


def serving_name(deployment: Deployment) -> str:
    return deployment.name


def yaml_of(args: Mapping[str, Any]) -> str:
    """As `llamafactory-cli train` reads it; what YAML would misread is quoted."""
    text: str = yaml.safe_dump(dict(args), sort_keys=False, allow_unicode=True)
    return text
