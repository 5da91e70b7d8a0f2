"""Saved questions: files of them, what counts as right, what is measured."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from knowledge import assessing, queues
from knowledge.models import Assessment, AssessmentStatus, Base
from knowledge.tests.conftest import Ingested

CSV = "\ufeffquestion,passage,document\r\nHow long?,Two years.,a.txt\r\n"


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        '[{"question": "How long?", "passage": "Two years.", "document": "a.txt"}]',
        '{"question": "How long?", "passage": "Two years.", "document": "a.txt"}\n',
    ],
)
def test_three_kinds_of_files(content: str) -> None:
    assert assessing.read_questions(content.encode()) == [
        assessing.Asked("How long?", "Two years.", "a.txt")
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no questions"),
        (b"question\nHow long?\n", "Entry 1"),
        (b'[{"question": 1, "passage": "x"}]', "Entry 1"),
        (b'[{"question": "", "passage": "x"}]', "Entry 1"),
        (b"[{]", "JSON"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b'[["a"]]', "Entry 1"),
    ],
)
def test_what_is_no_file_of_questions_says_why(content: bytes, said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        assessing.read_questions(content)
    assert said in raised.value.message_dict["file"][0]


@pytest.mark.parametrize(
    ("chunk", "passage", "is_right"),
    [
        ("The warranty lasts\ntwo years.", "the warranty lasts two years.", True),
        ("lasts two years", "The warranty lasts two years. Batteries do not.", True),
        ("Batteries do not last. The warranty lasts two", "The warranty lasts two years.", True),
        ("Something else altogether", "The warranty lasts two years.", False),
        ("", "x", False),
    ],
)
def test_what_counts_as_right(chunk: str, passage: str, is_right: bool) -> None:
    assert assessing.is_right(chunk, passage) is is_right


def test_scores_of_ranks() -> None:
    scores = assessing.scores_of([1, 2, 0, 4])
    assert scores["recall@1"] == 0.25 and scores["recall@3"] == 0.5 and scores["recall@5"] == 0.75
    assert scores["mrr@10"] == round((1 + 1 / 2 + 1 / 4) / 4, 4)
    assert scores["ndcg@10"] == round((1 + 0.63093 + 0.43068) / 4, 4)


def test_questions_are_asked_in_the_background(
    base: Base, ingested: Ingested, work: Callable[[], int]
) -> None:
    ingested("The warranty lasts two years.")
    asked = [
        assessing.Asked("How long is the warranty?", "The warranty lasts two years."),
        assessing.Asked("What colour?", "It is red."),
    ]
    assert assessing.add_questions(base=base, asked=asked, actor=base.owner) == 2
    assert assessing.add_questions(base=base, asked=asked, actor=base.owner) == 0
    assessment = assessing.start(base=base, actor=base.owner)
    work()
    assessment.refresh_from_db()
    assert (assessment.status, assessment.questions) == (AssessmentStatus.DONE, 2)
    assert assessment.scores["recall@1"] == 0.5
    assert [rank for _pk, rank in assessment.ranks] == [1, 0]


def test_a_worker_that_comes_back_too_late_says_nothing(base: Base, ingested: Ingested) -> None:
    ingested("The warranty lasts two years.")
    asked = [assessing.Asked("How long is the warranty?", "The warranty lasts two years.")]
    assessing.add_questions(base=base, asked=asked, actor=base.owner)
    assessing.start(base=base, actor=base.owner)
    late = assessing.claim()
    Assessment.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    queues.reap_assessments()
    now = assessing.claim()
    assert late is not None and now is not None and late.pk == now.pk
    assessing.run(late)
    assert Assessment.objects.get().status == AssessmentStatus.RUNNING, "another has it"
    assessing.run(now)
    assert Assessment.objects.get().status == AssessmentStatus.DONE


def test_one_whose_worker_ends_again_and_again_has_failed(base: Base, ingested: Ingested) -> None:
    asked = [assessing.Asked("How long is the warranty?", "Two years.")]
    assessing.add_questions(base=base, asked=asked, actor=base.owner)
    assessing.start(base=base, actor=base.owner)
    for _time in range(queues.ASSESSMENT_ATTEMPTS):
        assert assessing.claim() is not None
        Assessment.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
        queues.reap_assessments()
    assessment = Assessment.objects.get()
    assert assessment.status == AssessmentStatus.FAILED and assessment.error


def test_without_questions_there_is_nothing_to_measure(base: Base) -> None:
    with pytest.raises(ValidationError):
        assessing.start(base=base, actor=base.owner)


def test_bad_rows_of_a_file_change_nothing(base: Base, client_for: Any) -> None:
    content = CSV + "\r\nonly a question,,\r\n"
    with pytest.raises(ValidationError):
        assessing.read_questions(content.encode())
    assert not base.questions.exists()
