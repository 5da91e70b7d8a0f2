from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from training import forecasts, services
from training.checks import Chosen
from training.estimate import estimate
from training.models import Forecast, HardwareSample, Node, Status, TrainingJob, Transition
from training.tests.rows import make_base_model, make_dataset, make_node


@pytest.fixture
def chosen(alice: User) -> Chosen:
    dataset = make_dataset(alice)
    return {"stage": "sft", "method": "lora", "base_model": make_base_model(), "dataset": dataset}


def live(job: TrainingJob, *story: tuple[str, float]) -> None:
    """(status, seconds since it was granted) each."""
    start = timezone.now() - timedelta(hours=1)
    for status, second in story:
        at = start + timedelta(seconds=second)
        Transition.objects.create(workload=job, status=status, at=at, attempt=1)


def test_queue_and_pauses_do_not_count(alice: User, chosen: Chosen) -> None:
    job = services.create_job(owner=alice, name="a", **chosen)
    told = (
        ("preparing", 100),
        ("running", 110),
        ("paused", 150),
        ("pending", 700),
        ("preparing", 1000),
        ("running", 1020),
        ("success", 1080),
    )
    live(job, *told)
    assert forecasts.times_of(job) == (50 + 80, 10 + 20)


def test_what_still_runs_is_counted_until_now(alice: User, chosen: Chosen) -> None:
    job = services.create_job(owner=alice, name="a", **chosen)
    live(job, ("preparing", 0), ("running", 5))
    took, start = forecasts.times_of(job)
    assert took == pytest.approx(3600, abs=30)
    assert start == 5


def run(owner: User, chosen: Chosen, seconds: float, **parameters: Any) -> TrainingJob:
    """A run from its start to its success, as the shim tells it."""
    job = services.create_job(owner=owner, name="a", parameters=parameters, **chosen)
    live(job, ("preparing", 0), ("running", 12), ("success", 12 + seconds))
    rule = job.forecast.rule_memory_bytes
    assert rule is not None
    forecasts.compare(job, {"peak_rss_bytes": int(rule * 1.2)})
    TrainingJob.objects.filter(pk=job.pk).update(status=Status.SUCCESS)
    job.refresh_from_db()
    return job


def test_after_three_runs_time_and_memory_are_foreseen(alice: User, chosen: Chosen) -> None:
    make_node(gib=64)
    for seconds in (95, 100, 108):
        last = run(alice, chosen, seconds)
    found = estimate(**chosen, parameters={})
    assert found.seconds == pytest.approx(12 + 100, rel=0.25)
    fourth = run(alice, chosen, 104)
    assert fourth.forecast.time_off_by is not None
    assert abs(fourth.forecast.time_off_by) < 0.25
    assert fourth.forecast.memory_off_by == pytest.approx(0, abs=0.01)
    assert last.forecast.took_s == pytest.approx(120)
    longer = estimate(**chosen, parameters={"num_train_epochs": 30})
    assert longer.seconds == pytest.approx(12 + 1000, rel=0.25)


def test_the_peak_is_told_by_samples_where_the_runner_said_nothing(
    alice: User, chosen: Chosen
) -> None:
    job = services.create_job(owner=alice, name="a", **chosen)
    for size in (100, 300, 200):
        HardwareSample.objects.create(workload=job, rss_bytes=size)
    forecasts.compare(job, {})
    job.forecast.refresh_from_db()
    assert job.forecast.peak_bytes == 300


def test_a_gpu_process_holds_more_than_its_tensors(alice: User, chosen: Chosen) -> None:
    job = services.create_job(owner=alice, name="a", **chosen)
    forecasts.compare(job, {"peak_gpu_bytes": 10 * 2**30, "peak_rss_bytes": 1})
    job.forecast.refresh_from_db()
    assert job.forecast.is_gpu
    assert job.forecast.peak_bytes == 10 * 2**30 + forecasts.CONTEXT_BYTES


def test_what_it_took_stands_beside_what_was_expected(alice: User, chosen: Chosen) -> None:
    node = make_node(gib=64)
    Node.objects.update(hour_price_usd="3.60")
    node.refresh_from_db()
    job = services.create_job(owner=alice, name="a", **chosen)
    assert forecasts.sentence_of(job) == ""
    assert {row.measured for row in forecasts.comparison_of(job)} == {""}
    Forecast.objects.filter(job=job).update(memory_bytes=2**30, time_s=720, cost_usd="0.72")
    job.node = node
    live(job, ("preparing", 0), ("running", 60), ("success", 780))
    forecasts.compare(job, {"peak_rss_bytes": 2**30 * 9 // 10})
    job.refresh_from_db()
    assert forecasts.sentence_of(job) == "Predicted 12 min 0 s, took 13 min 0 s"
    told = {
        row.name: (_plain(row.expected), _plain(row.measured), row.off_by)
        for row in forecasts.comparison_of(job)
    }
    assert told == {
        "memory": ("1.0 GB", "921.6 MB", "−10 %"),
        "time": ("12 min 0 s", "13 min 0 s", "+8 %"),
        "cost": ("$0.7200", "$0.7800", "+8 %"),
    }


def _plain(text: str) -> str:
    return text.replace("\xa0", " ")


def test_page_list_and_api_tell_both(
    alice: User, chosen: Chosen, client_for: Callable[[User], Client], api: Callable[[User], Any]
) -> None:
    make_node(gib=64)
    job = run(alice, chosen, 100)
    expected, measured = job.forecast.time_s, job.forecast.took_s
    page = client_for(alice).get(f"/training/{job.pk}/").content.decode()
    assert "Predicted and measured" in page
    assert forecasts.sentence_of(job) in page
    assert forecasts.sentence_of(job) in client_for(alice).get("/training/").content.decode()
    told = api(alice).get(f"training/jobs/{job.pk}").json()["forecast"]
    assert (told["time_s"], told["took_s"]) == (expected, measured)
    assert told["memory_off_by"] == pytest.approx(0.2)
    assert told["is_overridden"] is False
