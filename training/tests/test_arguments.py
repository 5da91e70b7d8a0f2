import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils.translation import override

from training import argument_conflicts, arguments, llamafactory
from training.argument_table import BLOCKED, WHY_BLOCKED
from training.arguments import ARGUMENTS, BY_NAME, GROUPS
from training.chat_templates import SEEING, TEMPLATES
from training.models import BaseModel, Method, Stage
from training.presets import PRESETS, field_text, preset_values

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


# What the trainer's own parser says to one value at a time; only what is a file is left to it.
READS_ARGUMENTS = """
import dataclasses, json, sys
from transformers import HfArgumentParser
from llamafactory.hparams.parser import _TRAIN_ARGS, RayArguments

given = json.load(open(sys.argv[1]))
known = {f.name for c in (*_TRAIN_ARGS, RayArguments) for f in dataclasses.fields(c)}
base = {"output_dir": given["output"], "use_cpu": True}
base |= {"model_name_or_path": "x", "template": "qwen", "dataset": "d"}
full = {"finetuning_type": "full"}
needs = {"torch_compile_backend": {"torch_compile": True}, "tf32": None, "fp8": None}
needs |= {"load_best_model_at_end": {"eval_strategy": "steps", "eval_steps": 500}}
needs |= {"dataloader_prefetch_factor": {"dataloader_num_workers": 1}}
needs |= {"eval_strategy": {"eval_steps": 5}, "use_galore": full, "use_apollo": full}
needs |= {"use_badam": full}
refused = {}

def read(name, value):
    more = needs.get(name, {})
    if more is None:
        return
    try:
        HfArgumentParser(_TRAIN_ARGS).parse_dict(base | more | {name: value})
    except Exception as error:
        refused[f"{name}={value}"] = f"{type(error).__name__}: {error}"

for name, value in given["values"].items():
    read(name, value)
for name, choices in given["options"].items():
    for choice in choices:
        read(name, choice)
print(json.dumps({"refused": refused, "known": sorted(known)}))
"""


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
        ("resize_vocab", "sft", "qlora"),
        ("load_best_model_at_end", "rm", "lora"),
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
            {"val_size": 0.1, "load_best_model_at_end": True, "save_steps": 20, "eval_steps": 10},
            "sft",
            {"save_steps"},
        ),
        (
            {"val_size": 0.1, "load_best_model_at_end": True, "eval_strategy": "epoch"},
            "sft",
            {"load_best_model_at_end"},
        ),
        ({"pref_loss": "ipo", "dpo_label_smoothing": 0.1}, "dpo", {"dpo_label_smoothing"}),
        (
            {"val_size": 0.1, "load_best_model_at_end": True, "save_strategy": "epoch"},
            "sft",
            {"save_strategy"},
        ),
        ({"eval_on_start": True}, "sft", {"eval_on_start"}),
        ({"neat_packing": True, "packing": False}, "sft", {"neat_packing"}),
        ({"use_dft_loss": True, "use_asft_loss": True}, "sft", {"use_asft_loss"}),
        ({"dataloader_prefetch_factor": 2}, "sft", {"dataloader_prefetch_factor"}),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "sft", {"lr_scheduler_kwargs"}),
        ({"flash_attn": "fa2"}, "sft", {"flash_attn"}),
        ({"pissa_convert": True}, "sft", {"pissa_convert"}),
        ({"bf16_full_eval": True, "fp16_full_eval": True}, "sft", {"fp16_full_eval"}),
        (
            {"val_size": 0.1, "metric_for_best_model": "eval_accuracy"},
            "sft",
            {"metric_for_best_model"},
        ),
        ({"image_min_pixels": 2000, "image_max_pixels": 1500}, "sft", {"image_min_pixels"}),
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


@pytest.mark.parametrize(
    ("given", "save_steps", "eval_steps"),
    [
        ({}, 100, 10),
        ({"logging_steps": 7}, 100, 14),
        ({"load_best_model_at_end": True}, 100, 100),
        ({"load_best_model_at_end": True, "eval_steps": 30}, 30, 30),
        ({"load_best_model_at_end": True, "save_steps": 40}, 40, 40),
    ],
)
def test_evaluations_and_checkpoints_go_together_for_the_best(
    given: dict[str, Any], save_steps: int, eval_steps: int
) -> None:
    parameters = {"val_size": 0.1, **given}
    assert arguments.clean(parameters, stage="sft", method="lora") == parameters
    args = llamafactory.preview_args(
        stage="sft",
        method="lora",
        base_model=BaseModel(path="/models/a"),
        dataset_name="d",
        parameters=parameters,
    )
    assert (args["save_steps"], args["eval_steps"]) == (save_steps, eval_steps)


def test_the_best_of_each_epoch_can_be_kept() -> None:
    parameters = {"val_size": 0.1, "load_best_model_at_end": True}
    parameters |= {"eval_strategy": "epoch", "save_strategy": "epoch"}
    assert arguments.clean(parameters, stage="sft", method="lora") == parameters


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ('{"min_lr_rate": 0.1}', {"min_lr_rate": 0.1}),
        ({"num_cycles": 2, "reset": True}, {"num_cycles": 2, "reset": True}),
    ],
)
def test_details_are_an_object_of_plain_values(given: Any, read: dict[str, Any]) -> None:
    cleaned = arguments.clean({"lr_scheduler_kwargs": given}, stage="sft", method="lora")
    assert cleaned == {"lr_scheduler_kwargs": read}


@pytest.mark.parametrize(
    "given",
    [
        "{",
        "[1]",
        "5",
        '{"a": [1]}',
        '{"a": "/etc/passwd"}',
        '{"a b": 1}',
        '{"a": NaN}',
        {"a": {}},
    ],
)
def test_details_that_could_do_anything_else_are_refused(given: Any) -> None:
    assert refused({"lr_scheduler_kwargs": given}) == {"lr_scheduler_kwargs"}


def _valid(argument: arguments.Argument) -> Any:
    """A value that a person may give, other than the default where there is one."""
    if argument.kind == "bool":
        return not argument.default
    if argument.choices:
        return argument.choices[-1]
    if argument.kind == "json":
        return {"min_lr_rate": 0.1}
    if argument.kind in ("int", "float"):
        low = argument.above if argument.above is not None else argument.minimum
        assert low is not None
        assert argument.maximum is not None
        value = argument.maximum if argument.maximum < 10_000 else low + 20
        return int(value) if argument.kind == "int" else float(value)
    return {"template": "qwen", "optim_args": "a=1"}.get(argument.name, "q_proj,v_proj")


def test_the_table_is_consistent(settings: Any) -> None:
    settings.TRAINING_PACKAGES = {argument.package for argument in ARGUMENTS}
    assert len(BY_NAME) == len(ARGUMENTS)
    for argument in ARGUMENTS:
        assert argument.group in GROUPS
        assert set(argument.methods) <= set(Method.values)
        assert set(argument.stages) <= set(Stage.values)
        assert argument.kind in arguments.KINDS
        if argument.default is not None:
            value = {argument.name: argument.default}
            stage = (argument.stages or ("sft",))[0]
            method = (argument.methods or ("lora",))[0]
            arguments.clean(value, stage=stage, method=method)


def test_every_argument_is_explained_in_both_languages() -> None:
    texts = [text for argument in ARGUMENTS for text in (argument.label, argument.help)]
    texts += [row.reason for row in BLOCKED]
    for text in texts:
        with override("en"):
            english = str(text)
        with override("zh-hans"):
            chinese = str(text)
        assert english
        assert not re.search("[\u4e00-\u9fff]", english)
        assert chinese
    helps = [argument.help for argument in ARGUMENTS]
    with override("zh-hans"):
        assert all(re.search("[\u4e00-\u9fff]", str(text)) for text in helps)


def test_what_cannot_be_set_says_why() -> None:
    assert not WHY_BLOCKED.keys() & BY_NAME.keys()
    with pytest.raises(ValidationError) as caught:
        arguments.clean({"trust_remote_code": True}, stage="sft", method="lora")
    assert "never run here" in caught.value.message_dict["trust_remote_code"][0]


def test_a_package_unlocks_its_parameters(settings: Any) -> None:
    assert refused({"use_galore": True}, method="full") == {"use_galore"}
    settings.TRAINING_PACKAGES = frozenset({"galore_torch"})
    given = {"use_galore": True}
    assert arguments.clean(given, stage="sft", method="full") == given


def test_what_needs_a_gpu_is_named() -> None:
    found = dict(argument_conflicts.without_gpu({"pure_bf16": True, "optim": "paged_adamw_8bit"}))
    assert set(found) == {"pure_bf16", "optim"}
    assert argument_conflicts.without_gpu({"bf16": True, "optim": "sgd"}) == []


@pytest.mark.parametrize(
    ("values", "records", "blamed"),
    [
        ({"val_size": 100}, 100, ["val_size"]),
        ({"val_size": 50, "max_samples": 50}, 100, ["val_size"]),
        ({"val_size": 99}, 100, []),
        ({"val_size": 0.5}, 1, ["val_size"]),
        ({"val_size": 0.5}, 2, []),
    ],
)
def test_something_is_left_to_learn_from(
    values: dict[str, Any], records: int, blamed: list[str]
) -> None:
    assert [name for name, _text in argument_conflicts.against_records(values, records)] == blamed


@pytest.mark.parametrize(
    ("values", "method", "named"),
    [
        ({"learning_rate": 1e-4}, "lora", set()),
        ({"learning_rate": 1e-4, "cutoff_len": 4096}, "lora", {"cutoff_len"}),
        ({"cutoff_len": 4096, "rope_scaling": "yarn"}, "lora", set()),
        ({"learning_rate": 1e-3}, "full", {"learning_rate"}),
        ({"learning_rate": 1e-6}, "lora", {"learning_rate"}),
        ({"gradient_accumulation_steps": 200}, "lora", {"gradient_accumulation_steps"}),
        ({"add_tokens": "a"}, "lora", {"additional_target"}),
    ],
)
def test_what_is_rarely_meant_is_noted(
    values: dict[str, Any], method: str, named: set[str]
) -> None:
    found = argument_conflicts.notes(
        values, stage="sft", method=method, context_tokens=2048, records=100, has_gpu=False
    )
    assert {name for name, _text in found} == named


def test_half_precision_is_recommended_on_a_gpu() -> None:
    def names(**values: Any) -> list[str]:
        found = argument_conflicts.notes(
            values, stage="sft", method="lora", context_tokens=None, records=100, has_gpu=True
        )
        return [name for name, _text in found]

    assert names() == ["bf16"]
    assert names(fp16=True) == []


def test_defaults_are_those_that_a_job_gets() -> None:
    for name, value in llamafactory.DEFAULTS.items():
        assert BY_NAME[name].default == value, name


@pytest.mark.parametrize("method", Method.values)
@pytest.mark.parametrize("stage", Stage.values)
@pytest.mark.parametrize("slug", [preset.slug for preset in PRESETS])
def test_presets_are_valid(slug: str, stage: str, method: str) -> None:
    values = preset_values(slug, stage=stage, method=method, has_bf16=True)
    assert len(values) >= 8
    typed = {name: field_text(value) for name, value in values.items()}
    assert arguments.clean(typed, stage=stage, method=method) == values


@pytest.mark.training
def test_the_trainer_reads_every_argument(training_python: Path, tmp_path: Path) -> None:
    """Each name is known, each value that we let through is read, and nothing is left out."""
    import subprocess

    values = {argument.name: _valid(argument) for argument in ARGUMENTS}
    options = {a.name: a.choices for a in ARGUMENTS if a.choices and a.name != "quantization_bit"}
    values["quantization_bit"] = 4
    script = tmp_path / "read.py"
    script.write_text(READS_ARGUMENTS)
    given = tmp_path / "values.json"
    given.write_text(json.dumps({"values": values, "options": options, "output": str(tmp_path)}))
    command = [str(training_python), str(script), str(given)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = json.loads(output.splitlines()[-1])
    assert told["refused"] == {}
    assert set(told["known"]) == BY_NAME.keys() | WHY_BLOCKED.keys()


@pytest.mark.training
def test_the_trainer_knows_every_template(training_python: Path) -> None:
    import subprocess

    script = (
        "import json\nfrom llamafactory.data.template import TEMPLATES\n"
        "seeing = [name for name, row in TEMPLATES.items() if row.mm_plugin.image_token]\n"
        "print(json.dumps([sorted(TEMPLATES), sorted(seeing)]))"
    )
    output = subprocess.run(
        [str(training_python), "-c", script], check=True, capture_output=True, text=True
    ).stdout
    known, seeing = json.loads(output.splitlines()[-1])
    assert set(known) >= TEMPLATES and set(seeing) == SEEING
