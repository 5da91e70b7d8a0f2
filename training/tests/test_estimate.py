import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from training import estimate
from training.estimate import Shape
from training.models import BaseModel, Node, NodeSample, Status
from training.tests.rows import GIB, make_base_model, make_dataset, make_job, make_node

SEVEN_B = Shape(7_000_000_000, 32, 4096, 32_000)


def memory(method: str, stage: str = "sft", **parameters: Any) -> estimate.Memory:
    return estimate.memory_of(
        SEVEN_B, stage=stage, method=method, parameters={"bf16": True} | parameters, is_gpu=True
    )


def test_full_training_takes_sixteen_bytes_a_parameter() -> None:
    found = memory("full")
    assert (found.weights + found.gradients + found.optimizer) == 16 * SEVEN_B.parameters


def test_pure_bf16_halves_it() -> None:
    found = memory("full", pure_bf16=True)
    assert (found.weights + found.gradients + found.optimizer) == 8 * SEVEN_B.parameters


def test_a_lora_of_a_7b_model_fits_a_24_gb_card_and_qlora_half_of_that() -> None:
    assert 13 * GIB < memory("lora").total < 24 * GIB
    assert memory("qlora").total < 10 * GIB
    assert memory("qlora", quantization_bit=8).weights > memory("qlora").weights


def test_methods_are_in_the_order_that_people_know() -> None:
    totals = [memory(method).total for method in ("qlora", "lora", "freeze", "full")]
    assert totals == sorted(totals)


def test_single_precision_doubles_the_weights() -> None:
    assert memory("lora", bf16=False).weights > 1.9 * memory("lora").weights


def test_preference_training_sees_two_answers_and_a_reference() -> None:
    assert memory("lora", "dpo").activations == 2 * memory("lora").activations
    assert memory("full", "dpo").weights == 2 * memory("full").weights
    assert memory("full", "dpo", pref_loss="orpo").weights == memory("full").weights


def test_activations_follow_batch_and_length() -> None:
    small = memory("lora", per_device_train_batch_size=1, cutoff_len=512).activations
    large = memory("lora", per_device_train_batch_size=4, cutoff_len=1024).activations
    assert large == 8 * small
    assert memory("lora", disable_gradient_checkpointing=True).activations > large


def test_a_lighter_optimiser_takes_less() -> None:
    assert memory("full", optim="sgd").optimizer == 0
    assert memory("full", optim="adafactor").optimizer < memory("full").optimizer


def test_shape_is_read_from_the_folder(tmp_path: Path) -> None:
    config = {"hidden_size": 192, "num_hidden_layers": 4, "vocab_size": 6000}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = BaseModel(path=str(tmp_path), parameters=2_800_000)
    assert estimate.shape_of(model) == Shape(2_800_000, 4, 192, 6000)


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_shape_without_a_readable_config_is_guessed(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    shape = estimate.shape_of(BaseModel(path=str(tmp_path), parameters=7_000_000_000))
    assert shape is not None
    assert 3900 < shape.hidden < 4500
    assert 30 < shape.layers < 36


def test_size_tells_the_parameters_and_nothing_tells_nothing() -> None:
    shape = estimate.shape_of(BaseModel(hub_id="a/b", size_bytes=2000))
    assert shape is not None
    assert shape.parameters == 1000
    assert estimate.shape_of(BaseModel(hub_id="a/b")) is None


@pytest.mark.parametrize(
    ("parameters", "steps"),
    [
        ({"num_train_epochs": 3}, 300),
        ({"per_device_train_batch_size": 3, "num_train_epochs": 1}, 34),
        ({"gradient_accumulation_steps": 8, "num_train_epochs": 1}, 13),
        ({"val_size": 0.1, "num_train_epochs": 1}, 90),
        ({"val_size": 30, "num_train_epochs": 1}, 70),
        ({"max_samples": 20, "num_train_epochs": 2}, 40),
        ({"max_steps": 7, "num_train_epochs": 2}, 7),
        ({"num_train_epochs": 0.5}, 50),
    ],
)
def test_steps(parameters: dict[str, Any], steps: int) -> None:
    assert estimate.steps_of(100, parameters) == steps


def test_places_are_those_of_live_nodes(db: None) -> None:
    make_node("cpu", gib=16)
    make_node("gpu", is_gpu=True, gib=80)
    gone = make_node("gone", is_gpu=True, gib=640)
    Node.objects.filter(pk=gone.pk).update(last_seen_at=timezone.now() - timedelta(hours=1))
    assert [place.node for place in estimate.places()] == ["gpu", "cpu"]


def test_a_processor_has_what_is_free_now(db: None) -> None:
    node = make_node("cpu", gib=16)
    sample = {"cpu_percent": 1, "memory_used_bytes": 12 * GIB, "disk_free_bytes": GIB}
    NodeSample.objects.create(node=node, **sample)
    assert estimate.places()[0].available_bytes == 4 * GIB


def run(user: User, base_model: BaseModel, **parameters: Any) -> estimate.Estimate:
    return estimate.estimate(
        user=user,
        base_model=base_model,
        dataset=make_dataset(user),
        stage="sft",
        method="lora",
        parameters=parameters,
    )


@pytest.mark.parametrize(("gib", "verdict"), [(64, "fits"), (5, "tight"), (2, "too_large")])
def test_verdict(alice: User, gib: int, verdict: str) -> None:
    make_node("cpu", gib=gib)
    assert run(alice, make_base_model()).verdict == verdict


def test_verdict_without_a_node_or_a_size(alice: User) -> None:
    assert run(alice, make_base_model()).verdict == "no_node"
    make_node()
    unknown = run(alice, make_base_model(parameters=None, size_bytes=None))
    assert unknown.verdict == "unknown"
    assert unknown.as_json()["memory"] is None


def test_time_is_known_from_own_runs_of_the_same_kind(alice: User, bob: User) -> None:
    model = make_base_model()
    assert run(alice, model).seconds is None
    make_job(bob, Status.SUCCESS, base_model=model, step_s=100)
    make_job(alice, Status.SUCCESS, base_model=model, method="full", step_s=100)
    assert run(alice, model).seconds is None
    for step_s in (2, 3, 50):
        make_job(alice, Status.SUCCESS, base_model=model, step_s=step_s)
    found = run(alice, model, num_train_epochs=1, per_device_train_batch_size=2)
    assert found.runs_known == 3
    assert found.steps == 46
    assert found.seconds == 3 * 2 * 46
    assert found.as_json()["time_s"] == found.seconds
