import json
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from training import arguments, llamafactory
from training.arguments import ARGUMENTS, BY_NAME, GROUPS, PRESETS
from training.models import Method, Stage

NEVER = (
    "output_dir",
    "dataset_dir",
    "model_name_or_path",
    "trust_remote_code",
    "deepspeed",
    "report_to",
    "hub_token",
    "hf_hub_token",
    "push_to_hub",
    "resume_from_checkpoint",
    "media_dir",
    "cache_dir",
    "export_dir",
    "tokenized_path",
    "swanlab_api_key",
    "run_name",
    "fsdp",
    "do_train",
)


def refused(parameters: dict[str, Any], *, stage: str = "sft", method: str = "lora") -> set[str]:
    with pytest.raises(ValidationError) as caught:
        arguments.clean(parameters, stage=stage, method=method)
    return set(caught.value.message_dict)


def test_values_become_what_the_trainer_wants() -> None:
    given = {
        "learning_rate": "1e-4",
        "num_train_epochs": 3,
        "per_device_train_batch_size": "2",
        "lora_rank": 16.0,
        "use_dora": "true",
        "lr_scheduler_type": "linear",
        "template": " qwen3 ",
    }
    cleaned = arguments.clean(given, stage="sft", method="lora")
    assert cleaned == {
        "learning_rate": 0.0001,
        "num_train_epochs": 3.0,
        "per_device_train_batch_size": 2,
        "lora_rank": 16,
        "use_dora": True,
        "lr_scheduler_type": "linear",
        "template": "qwen3",
    }
    kinds = {name: type(value) for name, value in cleaned.items()}
    assert kinds["num_train_epochs"] is float
    assert kinds["lora_rank"] is int


def test_empty_values_count_as_not_given() -> None:
    assert arguments.clean({"lora_alpha": "", "max_steps": None}, stage="sft", method="lora") == {}


def test_bits_are_a_number() -> None:
    cleaned = arguments.clean({"quantization_bit": 8}, stage="sft", method="qlora")
    assert cleaned == {"quantization_bit": 8}


@pytest.mark.parametrize("name", NEVER)
def test_what_reaches_outside_the_job_is_refused(name: str) -> None:
    assert name not in BY_NAME
    assert refused({name: "x"}) == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("per_device_train_batch_size", 0),
        ("per_device_train_batch_size", 1.5),
        ("per_device_train_batch_size", True),
        ("learning_rate", 0),
        ("learning_rate", "fast"),
        ("learning_rate", float("nan")),
        ("learning_rate", "inf"),
        ("learning_rate", [1]),
        ("num_train_epochs", -1),
        ("num_train_epochs", 10_000),
        ("cutoff_len", 10**400),
        ("lr_scheduler_type", "up"),
        ("use_dora", "perhaps"),
        ("template", "nosuch"),
        ("template", 5),
        ("lora_target", "all; rm -rf /"),
        ("lora_target", "../x"),
        ("default_system", "x" * 10_001),
        ("default_system", "a\x00b"),
        ("val_size", 1),
        ("val_size", 12.5),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: Any) -> None:
    assert refused({name: value}) == {name}


@pytest.mark.parametrize(
    ("name", "stage", "method"),
    [
        ("lora_rank", "sft", "full"),
        ("quantization_bit", "sft", "lora"),
        ("pref_beta", "sft", "lora"),
        ("packing", "dpo", "lora"),
        ("kto_chosen_weight", "dpo", "lora"),
        ("freeze_trainable_layers", "sft", "lora"),
        ("pissa_init", "sft", "qlora"),
    ],
)
def test_what_does_not_apply_is_refused(name: str, stage: str, method: str) -> None:
    value = BY_NAME[name].choices[0] if BY_NAME[name].choices else 1
    assert refused({name: value}, stage=stage, method=method) == {name}


@pytest.mark.parametrize(
    ("parameters", "stage", "blamed"),
    [
        ({"bf16": True, "fp16": True}, "sft", {"fp16"}),
        ({"train_on_prompt": True, "mask_history": True}, "sft", {"mask_history"}),
        ({"eval_steps": 5}, "sft", {"eval_steps"}),
        ({"eval_strategy": "epoch"}, "sft", {"eval_strategy"}),
        ({"load_best_model_at_end": True}, "sft", {"load_best_model_at_end"}),
        ({"val_size": 0.1, "early_stopping_steps": 3}, "sft", {"early_stopping_steps"}),
        ({"val_size": 0.1, "eval_strategy": "epoch", "eval_steps": 5}, "sft", {"eval_steps"}),
        (
            {"val_size": 0.1, "load_best_model_at_end": True, "save_steps": 15, "eval_steps": 10},
            "sft",
            {"save_steps"},
        ),
        (
            {"val_size": 0.1, "load_best_model_at_end": True, "eval_strategy": "epoch"},
            "sft",
            {"load_best_model_at_end"},
        ),
        ({"pref_loss": "ipo", "dpo_label_smoothing": 0.1}, "dpo", {"dpo_label_smoothing"}),
    ],
)
def test_combinations_that_fail_later_are_refused_now(
    parameters: dict[str, Any], stage: str, blamed: set[str]
) -> None:
    assert refused(parameters, stage=stage) == blamed


def test_every_problem_is_named_at_once() -> None:
    assert refused({"learning_rate": 0, "nonsense": 1}) == {"learning_rate", "nonsense"}


def test_no_layer_cannot_be_trained() -> None:
    blamed = refused({"freeze_trainable_layers": 0}, method="freeze")
    assert blamed == {"freeze_trainable_layers"}


def test_the_best_model_is_compared_where_it_is_saved() -> None:
    parameters = {"val_size": 0.1, "load_best_model_at_end": True, "early_stopping_steps": 3}
    assert arguments.clean(parameters, stage="sft", method="lora") == parameters


def test_the_table_is_consistent() -> None:
    assert len(BY_NAME) == len(ARGUMENTS)
    for argument in ARGUMENTS:
        assert argument.group in GROUPS
        assert set(argument.methods) <= set(Method.values)
        assert set(argument.stages) <= set(Stage.values)
        if argument.default is not None:
            value = {argument.name: argument.default}
            stage = (argument.stages or ("sft",))[0]
            method = (argument.methods or ("lora",))[0]
            arguments.clean(value, stage=stage, method=method)


def test_defaults_are_those_that_a_job_gets() -> None:
    for name, value in llamafactory.DEFAULTS.items():
        assert BY_NAME[name].default == value, name


@pytest.mark.parametrize("slug", PRESETS)
def test_presets_are_valid(slug: str) -> None:
    arguments.clean(PRESETS[slug], stage="sft", method="lora")


@pytest.mark.training
def test_the_trainer_knows_every_argument(training_python: Path) -> None:
    import subprocess

    script = (
        "import json, dataclasses\n"
        "from llamafactory.hparams.parser import _TRAIN_ARGS\n"
        "print(json.dumps([f.name for c in _TRAIN_ARGS for f in dataclasses.fields(c)]))"
    )
    output = subprocess.run(
        [str(training_python), "-c", script], check=True, capture_output=True, text=True
    ).stdout
    known = set(json.loads(output.splitlines()[-1]))
    assert set(BY_NAME) <= known


@pytest.mark.training
def test_the_trainer_knows_every_template(training_python: Path) -> None:
    import subprocess

    script = (
        "import json\nfrom llamafactory.data.template import TEMPLATES\n"
        "print(json.dumps(sorted(TEMPLATES)))"
    )
    output = subprocess.run(
        [str(training_python), "-c", script], check=True, capture_output=True, text=True
    ).stdout
    assert set(json.loads(output.splitlines()[-1])) >= arguments.TEMPLATES
