"""Whole evaluations by the real trainer's code: what was held back, both models, every format."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training import evaluation
from training.models import BaseModel, Dataset, Evaluation, ModelVersion, Status, TrainingJob
from training.shim import works
from training.shim.endings import Ending
from training.shim.process import Runner
from training.shim.reading import events
from training.tests.test_datasets import media, shared_data, store

__all__ = ["media", "shared_data"]

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db,
]
PARAMETERS = {
    **{"learning_rate": 0.005, "num_train_epochs": 1.0, "per_device_train_batch_size": 2},
    **{"max_samples": 20, "val_size": 0.2, "cutoff_len": 256, "lora_rank": 8},
}
STAGES = {"preference": "dpo", "kto": "kto", "text": "pt"}


def run_work(work: works.Work, folder: Path) -> dict[str, Any]:
    """The attempt's process, waited for; its last event."""
    runner = Runner(folder / "attempt-1")
    command = works.write_spec(work, runner)
    runner.start(command, "test", work.environment())
    assert runner._child is not None
    runner._child.wait()
    told = list(events(runner.events.read_bytes()))
    assert told[-1]["type"] == "finished", (told[-1], runner.log.read_text()[-3000:])
    return told[-1]


@pytest.fixture
def small_model(alice: User, tiny_model: Path) -> BaseModel:
    return BaseModel.objects.create(owner=alice, name="tiny", path=str(tiny_model), template="qwen")


@pytest.fixture
def trained(
    alice: User, small_model: BaseModel, settings: Any, tmp_path: Path
) -> Iterator[Callable[..., ModelVersion]]:
    settings.TRAINING_ROOT = tmp_path / "training"

    def train(dataset: Dataset, **parameters: Any) -> ModelVersion:
        job = TrainingJob.objects.create(
            owner=alice,
            name=dataset.name,
            base_model=small_model,
            dataset=dataset,
            stage=STAGES.get(dataset.format, "sft"),
            parameters=PARAMETERS | parameters,
            attempt=1,
            status=Status.RUNNING,
        )
        work = works.work_of(job)
        outcome = run_work(work, job.folder)
        work.on_end(Ending(Status.SUCCESS), outcome)
        return ModelVersion.objects.get(job=job)

    yield train


def evaluated(version: ModelVersion, **wanted: Any) -> Evaluation:
    row = evaluation.begin(version=version, actor=version.owner, **wanted)
    Evaluation.objects.filter(pk=row.pk).update(attempt=1)
    row.refresh_from_db()
    work = works.work_of(row)
    outcome = run_work(work, row.folder)
    work.on_end(Ending(Status.SUCCESS), outcome)
    row.refresh_from_db()
    return row


@pytest.mark.parametrize(
    "file_name",
    ["alpaca_zh_demo.json", "dpo_zh_demo.json", "glaive_toolcall_zh_demo.json", "identity.json"],
)
def test_real_data_trains_and_evaluates(
    file_name: str, alice: User, shared_data: Path, trained: Callable[..., ModelVersion]
) -> None:
    dataset = store(alice, (shared_data / file_name).read_bytes(), file_name)
    version = trained(dataset)
    row = evaluated(version, max_new_tokens=16)
    samples = list(row.samples.all())
    assert len(samples) == 4, "a fifth of twenty, none of which the training has read"
    assert {"base", "tuned", "general", "left_out"} <= row.results.keys()
    for side in ("base", "tuned"):
        assert row.results[side]["loss"] > 0 and row.results["general"][side] > 0
    assert row.results["base"]["loss"] != row.results["tuned"]["loss"]
    assert sum(row.counts().values()) == 4
    if file_name == "identity.json":
        # One turn a record, one record a batch: the trainer's own number on what it held back.
        mine = sum(sample.tuned["loss"] for sample in samples) / len(samples)
        assert mine == pytest.approx(version.metrics["eval_loss"], rel=0.005)
