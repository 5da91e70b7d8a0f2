"""What a report tells beyond times and curves, in each format."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from accounts.models import User
from training import curve_blocks, reports
from training.models import (
    CurveBlock,
    Evaluation,
    EvaluationSample,
    Forecast,
    HeldOut,
    Metric,
    Node,
    Note,
    Sample,
    SlotUse,
    Status,
    TrainingJob,
)
from training.report_chapters import Chapter
from training.report_files import response
from training.report_pdf import pdf_of
from training.report_story import Continuity, continuity_of, resumes_of
from training.report_text import markdown_of
from training.tests.rows import add_metrics, make_dataset, make_job, make_node, make_version

RESUME = {"step": 20, "attempt": 2, "compared_step": 25, "before": 1.25, "again": 1.25}


def rich_job(owner: User) -> TrainingJob:
    now = timezone.now()
    origin = make_dataset(owner, name="calls", sha256="ab" * 32)
    dataset = make_dataset(owner, name="客服对话", parent=origin, rejected=3, duplicates=2)
    job = make_job(owner, Status.SUCCESS, node=make_node(is_gpu=True), dataset=dataset)
    add_metrics(job)
    Node.objects.update(hour_price_usd=Decimal("2.5"))
    SlotUse.objects.create(
        owner=owner,
        workload=job,
        node_name="gpu-node-1",
        is_gpu=True,
        started_at=now - timedelta(hours=3),
        ended_at=now - timedelta(hours=1),
    )
    Forecast.objects.create(
        job=job, time_s=3600, took_s=4500, memory_bytes=2**30, peak_bytes=2**30, is_overridden=True
    )
    facts = {"best_step": 40, "best": 0.5, "last": 0.7}
    Note.objects.create(workload=job, kind="rising", step=55, facts=facts)
    for step, output in ((0, "I am A."), (30, "I am"), (60, "# I am *B*.\n- yours <b>")):
        Sample.objects.create(
            workload=job, step=step, position=0, prompt="Who are you?", output=output
        )
    _evaluate(owner, job)
    return job


def _evaluate(owner: User, job: TrainingJob) -> None:
    evaluation = Evaluation.objects.create(
        owner=owner,
        name="held out",
        version=make_version(job),
        source=HeldOut.SHARE,
        status=Status.SUCCESS,
        finished_at=timezone.now(),
        results={"base": {"loss": 2.0, "exact": 0.1}, "tuned": {"loss": 1.0, "exact": 0.6}},
    )
    for i, outcome in enumerate(("win", "win", "tie", "loss")):
        EvaluationSample.objects.create(
            evaluation=evaluation,
            position=i,
            question=f"Question {i}?",
            expected="Yes.",
            base_answer="Yes.",
            tuned_answer="No.",
            outcome=outcome,
        )


def chapter(job: TrainingJob, title: str) -> Chapter:
    [found] = [each for each in reports.report_of(job).chapters if each.title == title]
    return found


def test_hours_and_cost_come_from_the_places_taken(alice: User) -> None:
    found = chapter(rich_job(alice), "Hours and cost")
    assert found.facts == [("Cost", "$5.00"), ("GPU hours", "2.00")]
    assert found.rows == [("gpu-node-1", "GPU", "2.00", "$5.00")]


def test_a_machine_without_a_price_has_no_cost(alice: User) -> None:
    job = rich_job(alice)
    Node.objects.update(hour_price_usd=None)
    found = chapter(job, "Hours and cost")
    assert found.rows == [("gpu-node-1", "GPU", "2.00", "–")]
    assert found.facts == [("GPU hours", "2.00")], "unknown is not zero"


def test_the_forecast_is_held_against_what_was_measured(alice: User) -> None:
    found = chapter(rich_job(alice), "Predicted and measured")
    assert found.rows[1] == ("Time", "1 h 0 min", "1 h 15 min", "+25 %")
    assert found.rows[0][3] == "+0 %"
    assert found.sentences == ["Started although it was not to fit."]


def test_the_evaluation_names_what_got_worse(alice: User) -> None:
    found = chapter(rich_job(alice), "Evaluation: base model and trained model")
    assert dict(found.facts) == {"Samples": "4", "Better": "2", "Worse": "1", "Alike": "1"}
    assert found.rows[0] == ("Loss", "2", "1", "−1")
    [case] = found.cases
    assert case.title == "Question 3?"
    assert case.answers[-1] == ("Trained model", "No.")


def test_samples_notes_and_lineage_are_told(alice: User) -> None:
    job = rich_job(alice)
    [case] = chapter(job, "Sample answers").cases
    assert [who for who, _text in case.answers] == ["before training", "step 30", "step 60"]
    [(title, text)] = chapter(job, "Doctor's notes").facts
    assert "55" in title and "step 40" in str(text)
    lineage = dict(chapter(job, "Dataset and lineage").facts)
    assert "calls · SHA-256 abababababab" in str(lineage["客服对话 was made from"])
    assert lineage["Rejected"] == "3" and lineage["Became the version"] == "identity v1"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_each_format_has_each_chapter(alice: User, language: str) -> None:
    job = rich_job(alice)
    with translation.override(language):
        report = reports.report_of(job)
        text, page = markdown_of(report), response(job, "html").content.decode()
        assert len(re.findall(rb"/Type\s*/Page\b", pdf_of(report))) >= 2
    for each in report.chapters:
        assert f"## {each.title}\n" in text
        assert f"<h2>{each.title}</h2>" in page.replace("&#x27;", "'")
    assert len(report.chapters) == 6


def test_what_a_model_said_stays_text(alice: User) -> None:
    job = rich_job(alice)
    text = markdown_of(reports.report_of(job))
    assert "> \\# I am \\*B\\*.\n> \\- yours &lt;b>" in text
    assert "yours &lt;b&gt;" in response(job, "html").content.decode()


def test_a_resume_says_whether_it_went_on_as_it_would_have(
    alice: User, client_for: Callable[[User], Client]
) -> None:
    rows: list[dict[str, Any]] = [
        RESUME | {"verdict": "same"},
        RESUME | {"attempt": 3, "verdict": "different", "again": 2.0},
        {"step": 40, "attempt": 4, "verdict": "not_repeated"},
    ]
    job = make_job(alice, Status.RUNNING, continuity=rows)
    same, different, saved = resumes_of(job)
    assert same.text.startswith("Attempt 2 resumed at step 20; continuity check passed: step 25")
    assert "continuity check failed" in different.text and different.is_broken
    assert "no step had to be repeated" in saved.text and not saved.is_broken
    page = client_for(alice).get(f"/training/{job.pk}/").content.decode()
    assert same.text in page and different.text in page


def test_a_long_run_is_told_from_blocks(alice: User, django_assert_max_num_queries: Any) -> None:
    """Its points are not read one by one, and a hole is found all the same."""
    steps = 12_000
    job = make_job(alice, Status.SUCCESS, parameters={"logging_steps": 1}, max_steps=steps)
    Metric.objects.bulk_create(
        (
            Metric(workload=job, step=n, values={"loss": 1.0, "eval_loss": 0.25 + abs(n - 777)})
            for n in range(1, steps + 1)
        ),
        batch_size=2000,
    )
    curve_blocks.roll_up(job.pk)
    with CaptureQueriesContext(connection) as asked, django_assert_max_num_queries(40):
        report = reports.report_of(job)
    assert not any("COUNT(DISTINCT" in each["sql"] for each in asked)
    assert report.best == (777, 0.25)
    assert report.continuity is not None and report.continuity.points == steps
    assert report.continuity.is_whole and report.continuity.last == steps
    curve_blocks.forget_after(job.pk, 11_000)
    assert continuity_of(job.pk, 1) == Continuity(1, 11_000, 11_000, ())
    CurveBlock.objects.all().delete()
    Metric.objects.filter(workload=job, step__in=(500, 501)).delete()
    found = continuity_of(job.pk, 1)
    assert found is not None and found.missing == (500, 501) and found.points == 10_998
    curve_blocks.roll_up(job.pk)
    assert CurveBlock.objects.exists() and continuity_of(job.pk, 1) == found
