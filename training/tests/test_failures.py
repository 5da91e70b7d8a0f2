"""Stored logs of failures: the cause, the line that proves it, and the change that helps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from training import repairs
from training.advice import failure_of
from training.diagnosis import diagnose
from training.models import BaseModel, Status, TrainingJob
from training.shim.reading import log_lines
from training.tests.rows import add_log, make_job

LOGS = Path(__file__).parent / "failure_logs"
# Real ones are made by capture_failures.py; the first line of each says how it came about.
# name: (cause, exit code, what the runner said, words of the line that proves it)
STORED: dict[str, tuple[str, int, str, str | None]] = {
    "gpu-memory": ("out_of_memory", 1, "unknown", "CUDA out of memory"),
    "gpu-lost": ("node_lost", 1, "unknown", "remote process exited"),
    "processor-memory": ("out_of_memory", 1, "out_of_memory", "DefaultCPUAllocator"),
    "killed-by-kernel": ("killed", -9, "", None),
    "disk-full": ("disk_full", 1, "disk_full", "unexpected pos"),
    "disk-full-at-state": ("disk_full", 1, "disk_full", "No space left on device"),
    "bad-records": ("data", 1, "data", "Cannot find valid samples"),
    "broken-json": ("data", 1, "data", "DatasetGenerationError"),
    "missing-column": ("data", 1, "data", "KeyError: 'input'"),
    "wrong-stage": ("data", 1, "configuration", "not applicable in the current"),
    "wrong-template": ("template", 1, "configuration", "Template qwen99"),
    "wrong-modules": ("configuration", 1, "configuration", "Target modules"),
    "unknown-argument": ("configuration", 1, "configuration", "not used by the HfArgumentParser"),
    "picture-cut": ("configuration", 1, "configuration", "image tokens do not match"),
    "quantised-full": ("configuration", 1, "configuration", "Quantization is only compatible"),
    "model-missing": ("model", 1, "model", "Failed to load model"),
    "model-without-tokenizer": ("model", 1, "model", "instantiate the backend tokenizer"),
    "model-cut-short": ("model", 1, "model", "Error while deserializing header"),
    "hub-offline": ("hub", 1, "model", "couldn't connect"),
    "nan": ("diverged", 0, "diverged", "'grad_norm': 'nan'"),
    "unheard-of": ("unknown", 1, "unknown", None),
}
# Nothing here can make them.
WRITTEN = {"gpu-memory", "gpu-lost", "unheard-of"}
# What the supervision says of these itself, from what the runner measured.
BY_SUPERVISION = {"nan"}


def stored(name: str) -> list[str]:
    """Without the line that says where it is from."""
    return log_lines((LOGS / f"{name}.txt").read_bytes())[1:]


def head(name: str) -> str:
    return (LOGS / f"{name}.txt").read_text(encoding="utf-8").partition("\n")[0]


@pytest.mark.parametrize("name", STORED)
def test_each_stored_log_gives_its_cause_and_proof(name: str) -> None:
    reason, exit_code, told, words = STORED[name]
    lines = stored(name)
    found = diagnose(lines, exit_code=exit_code, told=told)
    assert found.reason == reason
    if words is None:
        assert found.proof is None
    else:
        assert found.proof is not None and words in lines[found.proof]


def test_every_stored_log_is_tested() -> None:
    assert {path.stem for path in LOGS.glob("*.txt")} == set(STORED)


@pytest.mark.parametrize("name", STORED)
def test_each_log_says_whether_it_is_real(name: str) -> None:
    _reason, exit_code, told, _words = STORED[name]
    if name in WRITTEN:
        assert head(name).startswith("# written")
        return
    assert f"exit code {exit_code}" in head(name)
    if name not in BY_SUPERVISION:
        assert f"told {told or 'nothing'}" in head(name), "what the runner said when it was made"


def test_what_is_only_mentioned_is_no_cause() -> None:
    """A first step in fp16 may have no gradient; the run was killed all the same."""
    lines = ["{'loss': '2.1', 'grad_norm': 'nan', 'epoch': '0.1'}", "{'loss': '2.0'}"]
    assert diagnose(lines, exit_code=-9).reason == "killed"
    assert diagnose(lines, exit_code=0, told="diverged").proof == 0


def test_what_the_runner_knows_for_sure_stays() -> None:
    lines = ["couldn't connect to https://x", "RuntimeError: CUDA out of memory"]
    assert diagnose(lines, exit_code=1, told="data").reason == "data"


def failed(owner: User, reason: str, **fields: Any) -> TrainingJob:
    return make_job(owner, Status.FAILED, reason=reason, detail=fields.pop("detail", ""), **fields)


def test_the_page_shows_the_proof_or_the_end_of_the_log(alice: User) -> None:
    job = failed(alice, "out_of_memory")
    add_log(job, [*stored("gpu-memory"), "and 20 more lines"])
    shown = failure_of(job)
    assert shown is not None and shown.proof.endswith("1.11 GiB is free.") and shown.is_known
    other = failed(alice, "unknown", base_model=job.base_model, dataset=job.dataset)
    add_log(other, [f"line {n}" for n in range(200)])
    shown = failure_of(other)
    assert shown is not None and not shown.is_known
    assert len(shown.proof.splitlines()) == 50 and shown.proof.endswith("line 199")


@pytest.mark.parametrize(
    ("reason", "fields", "values"),
    [
        (
            "out_of_memory",
            {
                "parameters": {
                    "per_device_train_batch_size": 8,
                    "gradient_accumulation_steps": 2,
                }
            },
            {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4},
        ),
        ("out_of_memory", {"method": "full"}, {"method": "lora"}),
        ("killed", {"parameters": {"cutoff_len": 2048}}, {"cutoff_len": 1024}),
        (
            "diverged",
            {"parameters": {"learning_rate": 0.01, "fp16": True}},
            {"learning_rate": 0.002, "max_grad_norm": 1.0, "fp16": False, "bf16": True},
        ),
        (
            "disk_full",
            {"parameters": {"save_steps": 10}},
            {"save_total_limit": 1, "save_steps": 40},
        ),
        (
            "configuration",
            {"detail": "Target modules {'x'} not found in the base model."},
            {"lora_target": "all"},
        ),
        (
            "configuration",
            {
                "detail": "Image features and image tokens do not match, tokens: 0",
                "parameters": {"cutoff_len": 512},
            },
            {"cutoff_len": 1024},
        ),
    ],
)
def test_the_repair_changes_what_helps(
    alice: User, reason: str, fields: dict[str, Any], values: dict[str, Any]
) -> None:
    found = repairs.repair_of(failed(alice, reason, **fields))
    assert found is not None and dict(found.values) == values and found.text


def test_what_no_setting_repairs_has_no_button(alice: User) -> None:
    assert repairs.repair_of(failed(alice, "data")) is None


def test_the_button_opens_the_form_with_the_change_made_and_explained(
    alice: User, base_model: BaseModel, client_for: Callable[[User], Client]
) -> None:
    job = failed(
        alice,
        "out_of_memory",
        base_model=base_model,
        parameters={"per_device_train_batch_size": 8, "learning_rate": 0.0005},
    )
    client = client_for(alice)
    page = client.get(f"/training/{job.pk}/").content.decode()
    assert f"/training/new/?clone={job.pk}&amp;repair=1" in page
    shown = client.get(f"/training/new/?clone={job.pk}&repair=1")
    form, text = shown.context["form"], shown.content.decode()
    assert form.initial["per_device_train_batch_size"] == 4
    assert form.initial["gradient_accumulation_steps"] == 2
    assert float(form.initial["learning_rate"]) == 0.0005
    assert "Half the batch (4) and twice the accumulation (2)" in text
    plain = client.get(f"/training/new/?clone={job.pk}")
    assert plain.context["form"].initial["per_device_train_batch_size"] == 8
