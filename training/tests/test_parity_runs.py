"""Parity checks against real endpoints: one that was told the right template, one that was not."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training import parity
from training.models import (
    BaseModel,
    Dataset,
    Deployment,
    Desired,
    Engine,
    ModelVersion,
    ParityCheck,
    Status,
    TrainingJob,
)
from training.shim import works
from training.shim.checking import Checking
from training.shim.endings import Ending
from training.shim.process import Runner
from training.shim.serving import Serving
from training.tests.conftest import wait_for
from training.tests.test_evaluation_runs import run_work

pytestmark = [
    pytest.mark.training,
    pytest.mark.xdist_group("training"),
    pytest.mark.django_db,
]
Serve = Callable[..., Deployment]


@pytest.fixture
def version(
    alice: User, tiny_model: Path, dataset: Dataset, settings: Any, tmp_path: Path
) -> ModelVersion:
    """The base model itself, as if a training had changed nothing."""
    settings.TRAINING_ROOT = tmp_path / "training"
    base = BaseModel.objects.create(owner=alice, name="tiny", path=str(tiny_model), template="qwen")
    job = TrainingJob.objects.create(
        owner=alice, name="sums", base_model=base, dataset=dataset, status=Status.SUCCESS
    )
    return ModelVersion.objects.create(
        owner=alice,
        job=job,
        base_model=base,
        name="sums",
        path=str(tiny_model),
        is_adapter=False,
        template="qwen",
    )


@pytest.fixture
def serve(version: ModelVersion) -> Iterator[Serve]:
    runners: list[Runner] = []

    def start(**arguments: Any) -> Deployment:
        row = Deployment(
            owner=version.owner,
            version=version,
            name="sums",
            status=Status.RUNNING,
            desired=Desired.RUN,
            attempt=1,
            engine=Engine.HUGGINGFACE,
        )
        row.set_key("a-key")
        row.save()
        work = works.work_of(row)
        assert isinstance(work, Serving)
        runner = Runner(row.folder / "attempt-1")
        command = works.write_spec(work, runner)
        spec = json.loads(runner.spec.read_text())
        spec["args"] |= arguments
        runner.spec.write_text(json.dumps(spec))
        runner.start(command, str(row.pk), work.environment())
        runners.append(runner)
        wait_for(lambda: (work._health() or {}).get("state") == "ready", 60)
        row.refresh_from_db()
        return row

    yield start
    for runner in runners:
        runner.kill()


def checked(deployment: Deployment) -> ParityCheck:
    check = parity.begin(deployment=deployment)
    ParityCheck.objects.filter(pk=check.pk).update(attempt=1, status=Status.SUCCESS)
    check.refresh_from_db()
    work = works.work_of(check)
    assert isinstance(work, Checking)
    work.on_end(Ending(Status.SUCCESS), run_work(work, check.folder))
    check.refresh_from_db()
    return check


def test_what_is_served_is_asked_as_it_was_taught(serve: Serve, version: ModelVersion) -> None:
    check = checked(serve())
    assert len(check.rows) == parity.PROMPTS
    assert check.different_tokens == [] and check.different_answers == []
    assert check.rows[0]["trainer_tokens"] == check.rows[0]["endpoint_tokens"] > 0
    assert parity.problems_of(version) == []


def test_a_wrong_template_is_told_with_the_first_token_that_differs(
    serve: Serve, version: ModelVersion
) -> None:
    check = checked(serve(template="alpaca"))
    assert len(check.different_tokens) == len(check.rows) == parity.PROMPTS
    difference = check.rows[0]["difference"]
    assert difference["position"] == 0
    assert difference["trainer"]["token"] == "<|im_start|>"
    assert difference["endpoint"]["token"] != "<|im_start|>"
    assert difference["endpoint"]["token"] + difference["endpoint"]["after"]
    problems = parity.problems_of(version)
    assert "10 of 10" in problems[0]
