"""The best checkpoint as the result: whole runs whose evaluation loss rises again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from conftest import ApiClient
from training import configurations, report_text, reports, services
from training.models import Dataset, Metric, ModelVersion, TrainingJob
from training.runner.checkpoints import checkpoint_step
from training.tests.conftest import PAIRS
from training.tests.test_datasets import store
from training.tests.test_shim import is_in, succeed, train, until

__all__ = ["train"]
pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
EVERY = 4
PARAMETERS: dict[str, Any] = {
    **{"learning_rate": 0.01, "lr_scheduler_type": "constant", "num_train_epochs": 3},
    **{"load_best_model_at_end": True, "save_total_limit": 2, "logging_steps": EVERY},
    **{"eval_steps": EVERY, "save_steps": EVERY},
}
MakeJob = Callable[..., TrainingJob]
FILE = "adapter_model.safetensors"


@pytest.fixture
def unlearn(train: MakeJob, make_job: MakeJob, alice: User, dataset: Dataset) -> MakeJob:
    """Makes trainings that take away from the base model what it knows and is asked for."""
    refusing = store(alice, [{"instruction": each, "output": "No."} for each, _answer in PAIRS])

    def make(name: str, **parameters: Any) -> TrainingJob:
        known = {"dataset": refusing, "eval_dataset": dataset}
        return make_job(name=name, parameters=PARAMETERS | parameters, **known)

    return make


def curve(job: TrainingJob) -> dict[int, float]:
    rows = Metric.objects.filter(workload=job, values__has_key="eval_loss").order_by("pk")
    return {row.step: row.values["eval_loss"] for row in rows}


def checkpoints(job: TrainingJob) -> dict[int, Path]:
    folders = job.folder.glob("attempt-*/output/checkpoint-*")
    return {step: folder for folder in folders if (step := checkpoint_step(folder)) is not None}


def check_kept(job: TrainingJob) -> int:
    """That the registered files are those of the best step of the curve; which step that is."""
    losses, version = curve(job), ModelVersion.objects.get(job=job)
    best = min(losses, key=lambda step: losses[step])
    assert 0 < best < max(losses)
    assert job.summary["kept_step"] == best
    assert job.summary["eval_loss"] == version.metrics["eval_loss"] == losses[best]
    registered = (Path(version.path) / FILE).read_bytes()
    kept = checkpoints(job)
    assert registered == (kept[best] / FILE).read_bytes()
    assert registered != (kept[max(kept)] / FILE).read_bytes()
    return best


def test_the_registered_model_is_the_best_checkpoint(
    unlearn: MakeJob, alice: User, api: Callable[[User], ApiClient]
) -> None:
    job = succeed(unlearn("best"))
    losses = curve(job)
    assert list(losses) == list(range(EVERY, job.max_steps + 1, EVERY))
    best = check_kept(job)
    told = report_text.markdown_of(reports.report_of(job))
    assert f"The checkpoint of step {best}, not the last one" in told
    assert api(alice).get(f"training/jobs/{job.pk}").json()["summary"]["kept_step"] == best
    assert ModelVersion.objects.get().lineage["kept_step"] == best
    imported = configurations.read(configurations.export(job), user=alice)
    assert imported.parameters["load_best_model_at_end"] is True


def test_early_stopping_ends_it_well(unlearn: MakeJob) -> None:
    job = succeed(unlearn("early", early_stopping_steps=2))
    best = check_kept(job)
    assert job.step == job.max_steps == best + 2 * EVERY < job.summary["planned_steps"]
    told = report_text.markdown_of(reports.report_of(job))
    assert f"After {job.step} of {job.summary['planned_steps']} steps" in told


def test_the_best_of_an_earlier_attempt_is_kept(unlearn: MakeJob, alice: User) -> None:
    job = unlearn("paused")
    until(job, lambda row: row.step > 2 * EVERY)
    services.pause(workload=job, actor=alice)
    until(job, is_in("paused", "success", "failed"))
    assert job.state == "paused"
    services.resume(workload=job, actor=alice)
    succeed(job)
    best = check_kept(job)
    assert checkpoints(job)[best].is_relative_to(job.folder / "attempt-1")
    assert job.attempt == 2
