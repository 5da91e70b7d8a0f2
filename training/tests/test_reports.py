import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone, translation

from accounts.models import User
from training import curves, reports, streams
from training.models import Metric, ModelVersion, Status
from training.report_files import response
from training.report_pdf import pdf_of
from training.report_text import markdown_of
from training.shim.endings import Ending
from training.shim.works import Training
from training.tests.rows import (
    add_hardware,
    add_log,
    add_metrics,
    add_story,
    make_dataset,
    make_job,
    make_node,
)

RESUMED = (
    ("preparing", 0, 1, 60.0),
    ("running", 0, 1, 59.0),
    ("paused", 24, 1, 49.0),
    ("pending", 24, 1, 39.0),
    ("preparing", 24, 2, 34.0),
    ("running", 24, 2, 33.0),
    ("success", 60, 2, 13.0),
)


def finished_job(owner: User, **fields: Any) -> Any:
    now = timezone.now()
    job = make_job(
        owner,
        Status.SUCCESS,
        node=make_node(),
        created_at=now - timedelta(minutes=62),
        finished_at=now - timedelta(minutes=13),
        **fields,
    )
    add_story(job, *RESUMED)
    add_metrics(job)
    add_hardware(job, has_gpu=True)
    return job


def test_times_add_up(alice: User) -> None:
    report = reports.report_of(finished_job(alice))
    minutes = [round(s / 60) for s in (report.queued_s, report.training_s, report.paused_s)]
    assert minutes == [7, 30, 10]
    assert round(report.total_s / 60) == 49


def test_attempts_are_readable_on_a_phone(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    job = finished_job(alice)
    page = client_for(alice).get(f"/training/{job.pk}/report/").text
    assert "table-stacked" in page and 'data-label="Ended as"' in page


def test_each_attempt_has_its_steps_and_its_end(alice: User) -> None:
    first, second = reports.report_of(finished_job(alice)).attempts
    assert (first.from_step, first.to_step, first.outcome) == (0, 24, "paused")
    assert (second.from_step, second.to_step, second.outcome) == (24, 60, "success")
    assert first.node == "gpu-node-1"


def test_a_resume_is_proved(alice: User) -> None:
    proof = reports.report_of(finished_job(alice)).proof
    assert proof == [
        "Attempt 2 went on from step 24, where the one before paused.",
        "Steps 5 to 60: 12 points, none missing, none twice.",
    ]


def test_a_hole_in_the_curve_is_named(alice: User) -> None:
    job = finished_job(alice)
    Metric.objects.filter(workload=job, step__in=(20, 25)).delete()
    assert reports.report_of(job).proof[-1].endswith("are not: 20, 25")


def test_a_crash_is_told_as_one(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    add_story(job, ("preparing", 0, 1, 9), ("running", 0, 1, 8), ("preparing", 17, 2, 7))
    add_story(job, ("running", 10, 2, 6))
    report = reports.report_of(job)
    assert [(a.from_step, a.to_step) for a in report.attempts] == [(0, 17), (10, 0)]
    assert report.proof == ["Attempt 2 went on from step 10; the one before had come to step 17."]


def test_what_is_told_twice_counts_once(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    add_metrics(job, 20)
    add_metrics(job, 20, first=15)
    found = reports.report_of(job)
    assert found.continuity is not None
    assert (found.continuity.points, found.continuity.is_whole) == (4, True)
    assert [line["d"].count("L") for line in found.figures[0].lines] == [3, 1]


def test_the_best_evaluation_is_found(alice: User) -> None:
    best = reports.report_of(finished_job(alice)).best
    assert best is not None
    assert best[0] == 60


def test_a_job_that_never_ran_has_a_report(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    job = make_job(alice)
    report = reports.report_of(job)
    assert report.continuity is None
    assert report.attempts == []
    for kind in ("html", "md", "pdf"):
        assert response(job, kind).status_code == 200
    assert client_for(alice).get(f"/training/{job.pk}/report/").status_code == 200


def test_markdown_is_complete_and_escaped(alice: User) -> None:
    dataset = make_dataset(alice, name="a|b *c* <d>")
    text = markdown_of(reports.report_of(finished_job(alice, dataset=dataset)))
    for heading in ("## Time", "## Results", "## Hardware", "## Configuration", "## Versions"):
        assert heading in text
    assert "a\\|b \\*c\\* &lt;d>" in text
    assert "finetuning_type: lora" in text
    assert "9f86d081884c7d65" in text


def test_pdf_shows_chinese(alice: User) -> None:
    dataset = make_dataset(alice, name="客服对话")
    job = finished_job(alice, dataset=dataset, name="微调 <b>一号</b>")
    with translation.override("zh-hans"):
        data = pdf_of(reports.report_of(job))
    assert data.startswith(b"%PDF-")
    assert b"STSong-Light" in data
    assert len(re.findall(rb"/Type\s*/Page\b", data)) >= 2


def test_long_configuration_is_no_trouble(alice: User) -> None:
    job = finished_job(alice, parameters={"default_system": "很长 " * 400 + "x" * 400})
    assert pdf_of(reports.report_of(job)).startswith(b"%PDF-")


def test_the_page_holds_no_script_and_no_markup_of_others(alice: User) -> None:
    job = finished_job(alice, name="<script>alert(1)</script>")
    page = response(job, "html").content.decode()
    assert "<script" not in page
    assert "<path" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (4.2345, "4.234"),
        (0.5, "0.5"),
        (0.00005, "5.0e-5"),
        (1204, "1,204"),
        (2e7, "2.0e7"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert curves.number(value) == text


def test_ticks_are_round() -> None:
    assert curves.ticks(0, 3.1) == [0, 1, 2, 3]
    assert [round(tick, 2) for tick in curves.ticks(0.26, 1.1)] == [0.4, 0.6, 0.8, 1.0]


def test_curves_of_nothing_and_of_one_point() -> None:
    assert curves.figure("x", {"loss": []}) is None
    single = curves.figure("x", {"loss": [(5, 1.5)]})
    assert single is not None
    assert single.lines[0]["last"] == "1.5"
    assert curves.sparkline([(1, 1)]) == ""


def test_sparklines_of_long_runs_read_few_points(
    alice: User, django_assert_num_queries: Any
) -> None:
    long = make_job(alice, Status.RUNNING, step=5000, max_steps=5000)
    Metric.objects.bulk_create(
        Metric(workload=long, step=step, values={"loss": 5000 / step}) for step in range(5, 5001, 5)
    )
    short = make_job(alice, Status.RUNNING, step=20, parameters={"logging_steps": 10})
    add_metrics(short, 20, every=10, first=10)
    waiting = make_job(alice)
    with django_assert_num_queries(1):
        curves.add_sparklines([long, short, waiting])
    assert 40 <= long.sparkline.count("L") <= 50
    assert short.sparkline.count("L") == 1
    assert waiting.sparkline == ""


def test_thin_keeps_the_ends() -> None:
    points = [(float(i), float(i)) for i in range(1000)]
    kept = curves.thin(points, 48)
    assert len(kept) <= 49
    assert (kept[0], kept[-1]) == (points[0], points[-1])


def test_log_is_read_in_pieces(alice: User) -> None:
    job = make_job(alice, Status.RUNNING)
    assert streams.log_after(job.pk, 0) == streams.Slice([], 0)
    add_log(job, ["a", "b", "c"])
    add_log(job, ["d"], first=3)
    assert streams.log_after(job.pk, 2) == streams.Slice(["c", "d"], 4)
    assert streams.log_after(job.pk, 1, 2) == streams.Slice(["b", "c"], 3)
    assert streams.log_tail(job.pk, 2) == streams.Slice(["c", "d"], 4)
    assert streams.log_after(job.pk, 99) == streams.Slice([], 99)


def test_the_time_of_a_resumed_training_is_that_of_all_attempts(alice: User) -> None:
    job = make_job(alice, Status.RUNNING, attempt=2)
    add_story(
        job,
        *(("preparing", 0, 1, 20), ("running", 0, 1, 19), ("paused", 30, 1, 9)),
        *(("preparing", 30, 2, 3), ("running", 30, 2, 2)),
    )
    outcome = {"type": "finished", "metrics": {"loss": 1.0}, "train_runtime_s": 100.0}
    Training(job).on_end(Ending(Status.SUCCESS), outcome)
    job.refresh_from_db()
    assert job.summary["train_runtime_s"] == pytest.approx(100 + 600, abs=5)
    [version] = ModelVersion.objects.filter(job=job)
    assert version.metrics["train_runtime_s"] == job.summary["train_runtime_s"]
