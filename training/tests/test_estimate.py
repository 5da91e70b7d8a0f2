import json
import math
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from training import estimate, pace
from training.memory import (
    FSDP,
    NONE,
    ZERO2,
    ZERO3,
    Memory,
    Setup,
    disk_bytes,
    memory_of,
    trainable,
)
from training.models import (
    BaseModel,
    Dataset,
    DatasetStatistics,
    Forecast,
    Node,
    NodeSample,
    Slot,
    Status,
)
from training.shapes import Shape, shape_of
from training.tests.rows import GIB, make_base_model, make_dataset, make_job, make_node

# Llama 2 7B and 70B as their config.json files have them.
SEVEN_B = Shape(6_738_415_616, 32, 4096, 32_000, 11_008, 4096, 4096, 32)
SEVENTY_B = Shape(68_976_648_192, 80, 8192, 32_000, 28_672, 8192, 1024, 64)


def setup(method: str, stage: str = "sft", **parameters: Any) -> Setup:
    devices, strategy = parameters.pop("devices", 1), parameters.pop("strategy", NONE)
    known = {"bf16": True, "cutoff_len": 1024, "per_device_train_batch_size": 1}
    return Setup(stage, method, known | parameters, devices, strategy)


def memory(method: str, stage: str = "sft", **parameters: Any) -> Memory:
    return memory_of(SEVEN_B, setup(method, stage, **parameters), is_gpu=True)


def states(found: Memory) -> int:
    return found.weights + found.gradients + found.optimizer


def test_full_training_takes_sixteen_bytes_a_parameter() -> None:
    assert states(memory("full")) == 16 * SEVEN_B.parameters


def test_pure_bf16_halves_it() -> None:
    assert states(memory("full", pure_bf16=True)) == 8 * SEVEN_B.parameters


@pytest.mark.parametrize(
    ("shape", "method", "parameters", "published_gb"),
    [
        # The table of hardware requirements in LLaMA-Factory's README, "estimated" there too.
        (SEVEN_B, "full", {"gradient_accumulation_steps": 8}, 120),
        (SEVEN_B, "full", {"pure_bf16": True, "bf16": False}, 60),
        (SEVEN_B, "lora", {}, 16),
        (SEVEN_B, "qlora", {"quantization_bit": 8}, 10),
        (SEVEN_B, "qlora", {"quantization_bit": 4}, 6),
        (SEVENTY_B, "lora", {}, 160),
        (SEVENTY_B, "qlora", {"quantization_bit": 8}, 80),
        (SEVENTY_B, "qlora", {"quantization_bit": 4}, 48),
    ],
)
def test_published_requirements(
    shape: Shape, method: str, parameters: dict[str, Any], published_gb: int
) -> None:
    found = memory_of(shape, setup(method, cutoff_len=512, **parameters), is_gpu=True)
    assert found.total / 1e9 == pytest.approx(published_gb, rel=0.2)


@pytest.mark.parametrize(("strategy", "published_gb"), [(ZERO2, 16.6), (ZERO3, 1.9)])
def test_zero_divides_as_its_paper_says(strategy: str, published_gb: float) -> None:
    """Figure 1 of "ZeRO" (arXiv 1910.02054): 7.5 billion parameters on 64 devices."""
    shape = Shape(7_500_000_000, 36, 4096, 50_000)
    found = memory_of(shape, setup("full", devices=64, strategy=strategy), is_gpu=True)
    assert states(found) / 1e9 == pytest.approx(published_gb, rel=0.03)


def test_strategies_are_in_the_order_that_people_know() -> None:
    totals = [memory("full", devices=8, strategy=name).total for name in (ZERO3, ZERO2, NONE)]
    assert totals == sorted(totals)
    assert memory("full", devices=8, strategy=FSDP) == memory("full", devices=8, strategy=ZERO3)


def test_an_adapter_on_every_linear_layer_has_the_known_size() -> None:
    """19,988,480 is what PEFT counts for Llama 2 7B at rank 8."""
    assert trainable(SEVEN_B, setup("lora", lora_rank=8)) == 19_988_480
    assert trainable(SEVEN_B, setup("lora", lora_rank=8, lora_target="q_proj,v_proj")) == 4_194_304


def test_methods_are_in_the_order_that_people_know() -> None:
    totals = [memory(method).total for method in ("qlora", "lora", "freeze", "full")]
    assert totals == sorted(totals)


def test_single_precision_doubles_what_is_frozen_on_a_processor() -> None:
    half = memory_of(SEVEN_B, setup("lora"), is_gpu=False).weights
    single = memory_of(SEVEN_B, setup("lora", bf16=False), is_gpu=False).weights
    assert single > 1.9 * half


def test_preference_training_sees_two_answers_and_a_reference() -> None:
    assert memory("lora", "dpo").activations == 2 * memory("lora").activations
    one = memory("full").weights
    assert memory("full", "dpo").weights == one + 2 * SEVEN_B.parameters
    assert memory("full", "dpo", pref_loss="orpo").weights == one


def test_activations_follow_batch_and_length() -> None:
    small = memory("lora", per_device_train_batch_size=1, cutoff_len=512).activations
    large = memory("lora", per_device_train_batch_size=4, cutoff_len=1024).activations
    assert large == 8 * small
    assert memory("lora", disable_gradient_checkpointing=True).activations > small * 2
    assert memory("lora", flash_attn="disabled").activations > memory("lora").activations


def test_a_lighter_optimiser_takes_less() -> None:
    assert memory("full", optim="sgd").optimizer == 0
    ordered = ["adafactor", "lion_8bit", "adamw_8bit", "lion_32bit", "adamw_torch_fused"]
    found = [memory("full", optim=name).optimizer for name in ordered]
    assert found == sorted(found)


def test_disk_holds_the_kept_checkpoints_one_more_and_the_result() -> None:
    adapter = disk_bytes(SEVEN_B, setup("lora", save_steps=10), 1000)
    weights = disk_bytes(SEVEN_B, setup("full", save_steps=10), 1000)
    assert adapter < 2 * GIB
    assert weights > 300 * GIB - 10 * GIB
    assert disk_bytes(SEVEN_B, setup("full", save_steps=10), 5) < weights


def test_shape_is_read_from_the_folder(tmp_path: Path) -> None:
    config = {"hidden_size": 192, "num_hidden_layers": 4, "vocab_size": 6000}
    config |= {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 512}
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    model = BaseModel(path=str(tmp_path), parameters=2_800_000)
    assert shape_of(model) == Shape(2_800_000, 4, 192, 6000, 512, 192, 96, 4, is_tied=True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"hidden_size": "x", "vocab_size": -1}'])
def test_shape_without_a_readable_config_is_guessed(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    shape = shape_of(BaseModel(path=str(tmp_path), parameters=7_000_000_000))
    assert shape is not None
    assert 3900 < shape.hidden < 4500
    assert 30 < shape.layers < 36
    assert shape.vocabulary == 150_000


def test_size_tells_the_parameters_and_nothing_tells_nothing() -> None:
    shape = shape_of(BaseModel(hub_id="a/b", size_bytes=2000))
    assert shape is not None
    assert shape.parameters == 1000
    assert shape_of(BaseModel(hub_id="a/b")) is None


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
        # 100 records of 128 tokens in sequences of 1,024.
        ({"packing": True, "num_train_epochs": 1}, 13),
    ],
)
def test_steps(parameters: dict[str, Any], steps: int) -> None:
    dataset = Dataset(records=100, size_bytes=100 * 128 * 4)
    data = pace.data_of(dataset, parameters)
    assert pace.steps_of(data, Setup("sft", "lora", parameters)) == steps


def test_two_devices_take_half_the_steps() -> None:
    dataset = Dataset(records=100, size_bytes=100 * 128 * 4)
    data = pace.data_of(dataset, {"num_train_epochs": 1})
    assert pace.steps_of(data, Setup("sft", "lora", {"num_train_epochs": 1}, devices=2)) == 50


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
    dataset = Dataset.objects.filter(owner=user).first() or make_dataset(user)
    return estimate.estimate(
        base_model=base_model, dataset=dataset, stage="sft", method="lora", parameters=parameters
    )


@pytest.mark.parametrize(("gib", "verdict"), [(64, "fits"), (6, "tight"), (2, "too_large")])
def test_verdict(alice: User, gib: int, verdict: str) -> None:
    make_node("cpu", gib=gib)
    assert run(alice, make_base_model()).verdict == verdict


def test_verdict_without_a_node_or_a_size(alice: User) -> None:
    assert run(alice, make_base_model()).verdict == "no_node"
    make_node()
    unknown = run(alice, make_base_model(parameters=None, size_bytes=None))
    assert unknown.verdict == "unknown"
    assert unknown.as_json()["memory"] is None
    assert unknown.seconds is None


def test_every_machine_gets_a_verdict_of_its_own(alice: User) -> None:
    make_node("small", gib=2)
    make_node("card", is_gpu=True, gib=80)
    found = run(alice, make_base_model())
    assert [(offer.place.node, offer.verdict) for offer in found.offers] == [
        ("card", "fits"),
        ("small", "too_large"),
    ]
    assert found.place is not None
    assert found.place.node == "card"


def test_remedies_make_it_fit(alice: User) -> None:
    make_node("cpu", gib=8)
    model = make_base_model()
    values = {"per_device_train_batch_size": 4, "cutoff_len": 1024}
    found = run(alice, model, **values)
    assert found.verdict == "too_large"
    helping = [each for each in found.remedies if each.fits and "method" not in each.values]
    assert helping
    for remedy in helping:
        assert run(alice, model, **(values | remedy.values)).verdict in estimate.FITTING
    Slot.objects.update(memory_bytes=64 * GIB)
    assert run(alice, model, **values).remedies == ()


def test_the_price_of_the_node_makes_the_cost(alice: User) -> None:
    node = make_node("card", is_gpu=True, gib=80)
    assert run(alice, make_base_model()).cost_usd is None
    Node.objects.filter(pk=node.pk).update(hour_price_usd=Decimal("2.50"))
    found = run(alice, make_base_model(), max_steps=100_000)
    assert found.seconds is not None
    assert found.cost_usd is not None
    assert float(found.cost_usd) == pytest.approx(2.5 * found.seconds / 3600, rel=0.01)


def test_a_full_disk_is_seen(alice: User) -> None:
    node = make_node("cpu", gib=64)
    sample = {"cpu_percent": 1, "memory_used_bytes": GIB, "disk_free_bytes": 1000}
    NodeSample.objects.create(node=node, **sample)
    best = run(alice, make_base_model()).best
    assert best is not None
    assert not best.has_disk


def past(user: User, model: BaseModel, **measured: Any) -> Forecast:
    """A run of 91 records, one at a time, that has ended."""
    known = make_job(user, Status.SUCCESS, base_model=model, dataset=Dataset.objects.first())
    expected = run(known.owner, model)
    assert expected.rule is not None
    row = {"work": expected.work.rough, "rule_memory_bytes": expected.rule.total} | measured
    return Forecast.objects.create(job=known, **row)


def test_time_is_learned_from_runs_of_the_same_kind(alice: User) -> None:
    make_node("cpu", gib=64)
    model, other = make_base_model(), make_base_model(name="other")
    first = run(alice, model)
    assert first.best is not None
    assert first.best.basis == "nominal"
    past(alice, other, took_s=500, start_s=100)
    similar = run(alice, model)
    assert similar.best is not None
    assert (similar.best.basis, similar.seconds) == ("similar", 500)
    for took in (100, 110, 900):
        past(alice, model, took_s=took, start_s=10)
    found = run(alice, model)
    assert found.best is not None
    assert (found.best.basis, found.best.runs) == ("same", 3)
    assert found.seconds == 110
    assert run(alice, model, num_train_epochs=6).seconds == 210
    assert found.as_json()["time_s"] == 110


def test_memory_is_corrected_by_what_runs_took(alice: User) -> None:
    make_node("cpu", gib=64)
    model = make_base_model()
    rule = run(alice, model).rule
    assert rule is not None
    for ratio in (1.2, 1.3, 1.25):
        past(alice, model, peak_bytes=int(rule.total * ratio))
    found = run(alice, model)
    assert found.memory_runs == 3
    assert found.memory is not None
    assert found.memory.total == pytest.approx(rule.total * 1.25, rel=0.01)
    assert run(alice, make_base_model(name="other")).factor == pytest.approx(1.25, rel=0.01)


def counted(dataset: Dataset, model: BaseModel, lengths: list[list[int]]) -> None:
    result = {"lengths": lengths}
    DatasetStatistics.objects.create(dataset=dataset, base_model=model, result=result)


def test_counted_tokens_take_the_place_of_a_guess(alice: User) -> None:
    make_node("cpu", gib=64)
    model, other = make_base_model(), make_base_model(name="other")
    dataset = make_dataset(alice, records=100, size_bytes=100 * 400)
    guessed = run(alice, model)
    assert guessed.as_json()["tokens_counted"] is False
    counted(dataset, other, [[500, 100]])
    of_another = run(alice, model)
    assert of_another.work.counted == pytest.approx(5 * guessed.work.rough)
    # Of the longer ones no more is trained than the cutoff leaves.
    counted(dataset, model, [[100, 50], [5000, 50]])
    found = run(alice, model, cutoff_len=300)
    assert found.work.counted == pytest.approx(2 * guessed.work.rough)
    assert found.seconds is not None
    assert found.as_json()["tokens_counted"] is True
    packed = run(alice, model, cutoff_len=300, packing=True, num_train_epochs=1)
    assert packed.steps == math.ceil(100 * 200 / 300)


def test_counting_after_some_runs_does_not_set_one_measure_against_another(alice: User) -> None:
    make_node("cpu", gib=64)
    model = make_base_model()
    dataset = make_dataset(alice, records=100, size_bytes=100 * 400)
    for _number in range(3):
        past(alice, model, took_s=110, start_s=10)
    counted(dataset, model, [[40, 100]])
    found = run(alice, model)
    assert found.seconds == 110
    past(alice, model, took_s=130, start_s=10, counted_work=found.work.counted)
    assert run(alice, model).seconds == 130


def test_evaluations_of_a_dataset_of_its_own_take_time(alice: User) -> None:
    make_node("cpu", gib=64)
    dataset, questions = make_dataset(alice, records=100), make_dataset(alice, records=40)
    common: dict[str, Any] = {"base_model": make_base_model(), "dataset": dataset}
    common |= {"stage": "sft", "method": "lora", "parameters": {"eval_steps": 100}}
    alone = estimate.estimate(**common)
    with_own = estimate.estimate(**common, eval_dataset=questions)
    assert with_own.steps == alone.steps == 300
    # Three evaluations of 40 forwards each, beside 300 forwards and backwards.
    share = 3 * 40 * 2 / (300 * 6)
    assert with_own.work.rough == pytest.approx(alone.work.rough * (1 + share))
