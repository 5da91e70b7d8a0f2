"""What three real trainings of one configuration teach the estimate of the next."""

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections

from accounts.models import User
from training import estimate, llamafactory
from training.models import BaseModel, Dataset, Forecast, TrainingJob
from training.tests.rows import make_dataset
from training.tests.test_shim import is_in, processes, until

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored"),
]
PARAMETERS = {
    **{"learning_rate": 0.001, "num_train_epochs": 2.0, "per_device_train_batch_size": 4},
    **{"logging_steps": 2, "eval_steps": 6, "cutoff_len": 128},
}


@pytest.fixture
def questions(alice: User) -> Dataset:
    """Two sums that are not learned."""
    path = Path(settings.MEDIA_ROOT) / "datasets" / f"questions-{alice.pk}" / "data.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = '{"instruction": "What is %d plus 7?", "input": "", "output": "It is %d."}\n'
    path.write_text(row % (7, 14) + row % (8, 15), encoding="utf-8")
    stored = str(path.relative_to(settings.MEDIA_ROOT))
    return make_dataset(alice, name="questions", records=2, sha256="b" * 64, path=stored)


@pytest.fixture
def train(
    make_job: Callable[..., TrainingJob],
    base_model: BaseModel,
    tiny_model: Path,
    questions: Dataset,
) -> Iterator[Callable[[str], TrainingJob]]:
    base_model.path = str(tiny_model)
    base_model.parameters = 150_000
    base_model.save()

    def run(name: str) -> TrainingJob:
        job = make_job(name=name, parameters=PARAMETERS, eval_dataset=questions)
        until(job, is_in("success", "failed"))
        assert job.status == "success", job.detail
        return job

    yield run
    connections.close_all()
    for process in processes():
        process.kill()


def test_after_three_runs_the_time_is_foreseen(
    train: Callable[[str], TrainingJob],
    base_model: BaseModel,
    dataset: Dataset,
    questions: Dataset,
) -> None:
    jobs = [train(f"run-{number}") for number in range(3)]
    # Asked about the two questions of its own dataset, at every sixth step.
    assert all(job.summary["eval_loss"] > 0 for job in jobs)
    assert jobs[0].max_steps == 18
    told = list(Forecast.objects.order_by("pk"))
    took = [row.took_s for row in told if row.took_s is not None]
    assert len(took) == 3
    assert all(row.peak_bytes for row in told)
    found = estimate.estimate(
        base_model=base_model,
        dataset=dataset,
        eval_dataset=questions,
        stage="sft",
        method="lora",
        parameters=llamafactory.DEFAULTS | PARAMETERS,
    )
    assert found.best is not None
    assert (found.best.basis, found.best.runs) == ("same", 3)
    assert found.seconds == pytest.approx(statistics.median(took), rel=0.25)
    assert found.memory is not None
    peaks = [row.peak_bytes or 0 for row in told]
    assert found.memory.total == pytest.approx(statistics.median(peaks), rel=0.15)
