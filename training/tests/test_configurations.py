from collections.abc import Callable
from typing import Any

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from training import configurations
from training.models import TrainingJob
from training.tests.rows import make_base_model, make_dataset, make_job

ClientFor = Callable[[User], Client]

BOARD = """
### what LLaMA Board saves, and what is only for its own machine
model_name_or_path: Qwen/Qwen3-0.6B
trust_remote_code: true
stage: sft
do_train: true
finetuning_type: lora
lora_target: [q_proj, v_proj]
lora_rank: 16
dataset: identity, missing
template: qwen3
cutoff_len: 2048
output_dir: saves/qwen3
per_device_train_batch_size: 1
learning_rate: 1e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
val_size: 0.1
eval_strategy: steps
deepspeed: examples/ds_z3.json
report_to: wandb
unknown_thing: 1
lora_dropout: 7
"""


def refusals(found: configurations.Imported) -> dict[str, str]:
    return {each.name: each.reason for each in found.refused}


def test_a_configuration_fills_the_form(alice: User) -> None:
    model, dataset = make_base_model(), make_dataset(alice)
    found = configurations.read(BOARD, user=alice)
    assert (found.base_model, found.dataset) == (model, dataset)
    assert (found.stage, found.method) == ("sft", "lora")
    assert found.parameters == {
        "lora_target": "q_proj,v_proj",
        "lora_rank": 16,
        "template": "qwen3",
        "cutoff_len": 2048,
        "per_device_train_batch_size": 1,
        "learning_rate": 0.0001,
        "num_train_epochs": 3.0,
        "lr_scheduler_type": "cosine",
        "warmup_ratio": 0.1,
        "bf16": True,
        "val_size": 0.1,
        "eval_strategy": "steps",
    }
    said = refusals(found)
    assert set(said) == {
        *("trust_remote_code", "do_train", "dataset", "output_dir", "deepspeed", "report_to"),
        *("unknown_thing", "lora_dropout"),
    }
    assert "missing" in said["dataset"]
    assert "never run here" in said["trust_remote_code"]
    assert "no such parameter" in said["unknown_thing"]
    assert "at most 0.9" in said["lora_dropout"]


def test_what_conflicts_is_left_out_and_the_rest_is_kept(alice: User) -> None:
    text = "stage: sft\nbf16: true\nfp16: true\neval_steps: 5\nlora_rank: 4"
    found = configurations.read(text, user=alice)
    assert found.parameters == {"bf16": True, "lora_rank": 4}
    assert set(refusals(found)) == {"fp16", "eval_steps"}


@pytest.mark.parametrize(
    ("text", "stage", "method", "refused"),
    [
        ("quantization_bit: 4", "sft", "qlora", set()),
        ("quantization_bit: 8\nfinetuning_type: lora", "sft", "qlora", set()),
        ("finetuning_type: full\nstage: dpo", "dpo", "full", set()),
        ("finetuning_type: oft", "sft", "lora", {"finetuning_type"}),
        ("stage: ppo\nreward_model: x", "sft", "lora", {"stage", "reward_model"}),
        ("stage: nonsense\nfinetuning_type: magic", "sft", "lora", {"stage", "finetuning_type"}),
        ("quantization_bit: 4\nquantization_method: hqq", "sft", "qlora", {"quantization_method"}),
        ("eval_strategy: no\nsave_strategy: no", "sft", "lora", set()),
    ],
)
def test_stage_and_method(
    alice: User, text: str, stage: str, method: str, refused: set[str]
) -> None:
    found = configurations.read(text, user=alice)
    assert (found.stage, found.method) == (stage, method)
    assert set(refusals(found)) == refused


@pytest.mark.parametrize(
    "text",
    [
        "",
        "just words",
        "[1, 2]",
        "a: [",
        "a: \x00",
        "a: !!python/object/apply:os.system ['true']",
        "a: &x [1, 1]\nb: *x",
        "x" * 70_000,
        "[" * 3000,
        "a: 2001-99-99 99:99:99\n? {b: c} : d\n- e",
    ],
)
def test_what_is_no_configuration_is_said(alice: User, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        configurations.read(text, user=alice)
    assert list(caught.value.message_dict) == ["yaml"]


@pytest.mark.parametrize(
    "text",
    ["lora_rank: {a: 1}", "lora_rank: [[1]]", "lora_target: 2001-01-01", "1: 2", "seed: .nan"],
)
def test_odd_values_are_refused_one_by_one(alice: User, text: str) -> None:
    found = configurations.read(text, user=alice)
    assert len(found.refused) == 1
    assert found.parameters == {}


def test_another_persons_data_are_not_found(alice: User, bob: User) -> None:
    make_base_model(bob, name="secret", hub_id="", path="/models/secret")
    make_dataset(bob, name="private")
    text = "model_name_or_path: /models/secret\ndataset: private"
    found = configurations.read(text, user=alice)
    assert (found.base_model, found.dataset) == (None, None)
    assert set(refusals(found)) == {"model_name_or_path", "dataset"}


def test_what_is_written_is_read_again(alice: User) -> None:
    job = make_job(
        alice,
        method="qlora",
        parameters={
            "learning_rate": 0.00002,
            "quantization_bit": 8,
            "lora_target": "all",
            "lr_scheduler_type": "cosine_with_min_lr",
            "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
            "save_strategy": "no",
        },
    )
    text = configurations.export(job)
    assert yaml.safe_load(text)["trust_remote_code"] is False
    found = configurations.read(text, user=alice)
    assert (found.base_model, found.dataset) == (job.base_model, job.dataset)
    assert (found.stage, found.method) == (job.stage, job.method)
    assert job.parameters.items() <= found.parameters.items()
    again = TrainingJob(
        base_model=job.base_model,
        dataset=job.dataset,
        stage=found.stage,
        method=found.method,
        parameters=found.parameters,
    )
    assert yaml.safe_load(configurations.export(again)) == yaml.safe_load(text)


def test_the_page_reads_text_and_files(alice: User, client_for: ClientFor) -> None:
    make_base_model()
    make_dataset(alice)
    client = client_for(alice)
    assert client.get("/training/new/import/").status_code == 200
    page = client.post("/training/new/import/", {"yaml": BOARD})
    assert page.status_code == 200
    assert page.context["form"]["lora_rank"].value() == 16
    assert page.context["form"]["bf16"].value() == "true"
    assert "unknown_thing" in page.content.decode()
    file = SimpleUploadedFile("a.yaml", BOARD.encode())
    page = client.post("/training/new/import/", {"file": file})
    assert page.context["form"]["name"].value() == "identity"


@pytest.mark.parametrize("sent", [{}, {"yaml": "  "}, {"yaml": "a: ["}])
def test_the_page_says_what_is_wrong(
    alice: User, client_for: ClientFor, sent: dict[str, Any]
) -> None:
    page = client_for(alice).post("/training/new/import/", sent)
    assert page.status_code == 422
    assert page.context["form"].errors["yaml"]


def test_a_file_that_is_no_text(alice: User, client_for: ClientFor) -> None:
    file = SimpleUploadedFile("a.yaml", b"\xff\xfe\x00")
    page = client_for(alice).post("/training/new/import/", {"file": file})
    assert page.status_code == 422
    assert page.context["form"].errors["file"]


def test_a_job_is_downloaded_as_yaml(alice: User, client_for: ClientFor) -> None:
    job = make_job(alice)
    answer = client_for(alice).get(f"/training/{job.pk}/yaml/")
    assert 'filename="identity.yaml"' in answer.headers["Content-Disposition"]
    assert yaml.safe_load(answer.content)["finetuning_type"] == "lora"


def test_what_asks_for_something_that_is_not_there_is_left_out(alice: User) -> None:
    found = configurations.read("lr_scheduler_type: cosine_with_min_lr", user=alice)
    assert "lr_scheduler_type" in refusals(found)


@pytest.mark.parametrize(
    "text",
    [
        "finetuning_type: [lora]",
        "stage: [sft]",
        "model_name_or_path: 0x" + "f" * 5000,
        'dataset: "a\\0b"',
        "dataset: [1, {a: b}]",
        "lr_scheduler_kwargs: {a: " + "9" * 400 + "}",
    ],
)
def test_values_of_other_types_are_no_accident(alice: User, text: str) -> None:
    found = configurations.read(text, user=alice)
    assert (found.stage, found.method, found.base_model, found.dataset) == (
        "sft",
        "lora",
        None,
        None,
    )
