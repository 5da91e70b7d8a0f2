"""Checks without a model, what a judge's words mean, percentiles."""

import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from chat.batches.checks import checked_checks, label_of, passed, results_of
from chat.batches.requests import Unreadable, verdict_in
from chat.batches.results import percentile


@pytest.mark.parametrize(
    ("check", "answer", "held"),
    [
        ({"kind": "contains", "value": "Straße"}, "die STRASSE dort", True),
        ({"kind": "contains", "value": "no"}, "yes", False),
        ({"kind": "not_contains", "value": "sorry"}, "Sorry, no", False),
        ({"kind": "regex", "value": r"\d{4}-\d\d"}, "in 2026-11", True),
        ({"kind": "regex", "value": "^yes$"}, "yes\nno", False),
        ({"kind": "is_json"}, '{"a": [1]}', True),
        ({"kind": "is_json"}, '```json\n{"a": 1}\n```', False),
        ({"kind": "is_json"}, "[" * 100_000, False),
        ({"kind": "equals_reference"}, " the  answer\n", True),
        ({"kind": "equals_reference"}, "the answer is", False),
        ({"kind": "contains_reference"}, "It is: The\nAnswer.", True),
        ({"kind": "max_chars", "value": 3}, "你好吗", True),
        ({"kind": "max_chars", "value": 2}, "你好吗", False),
    ],
)
def test_it_holds_or_not(check: dict[str, Any], answer: str, held: bool) -> None:
    assert results_of([check], answer=answer, reference="the answer") == [held]
    assert label_of(check)


def test_without_a_reference_nothing_is_compared() -> None:
    checks = [{"kind": "equals_reference"}, {"kind": "contains", "value": "x"}]
    found = results_of(checks, answer="y", reference="")
    assert found == [None, False]
    assert passed(found) is False
    assert passed([None]) is None
    assert passed([None, True]) is True


def test_a_pattern_that_loses_itself_is_stopped() -> None:
    began = time.monotonic()
    check = {"kind": "regex", "value": "(a|aa)+$"}
    found = results_of([check], answer="a" * 5000 + "b", reference="")
    assert found == [False]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "check",
    [
        {"kind": "regex", "value": "(open"},
        {"kind": "regex", "value": "((a{1000}){1000}){1000}"},
        {"kind": "regex", "value": "(a{1,200}){100,}b"},
        {"kind": "contains", "value": "  "},
        {"kind": "contains", "value": "x\x00"},
        {"kind": "contains"},
        {"kind": "max_chars", "value": 0},
        {"kind": "max_chars", "value": True},
        {"kind": "llm"},
        {},
    ],
)
def test_what_is_no_check_is_refused(check: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        checked_checks([check])
    assert set(refusal.value.message_dict) == {"checks"}


def test_more_checks_than_fit_are_refused() -> None:
    with pytest.raises(ValidationError):
        checked_checks([{"kind": "is_json"}] * 21)


@pytest.mark.parametrize(
    ("said", "score", "reason"),
    [
        ('{"score": 7, "reason": "fine"}', 7, "fine"),
        ('First {"score": 2} … no: ```{"score": "10", "reason": "well"}```', 10, "well"),
        ('{"reason": "short", "score": 3.0}', 3, "short"),
        ('{"score": 4, "reason": "a "quote" breaks it"}', 4, ""),
    ],
)
def test_the_verdict_is_the_last_one(said: str, score: int, reason: str) -> None:
    assert verdict_in(said) == (score, reason)


@pytest.mark.parametrize("said", ["", "seven", '{"score": 11}', '{"score": 0}', '{"score": 7.5}'])
def test_what_is_no_verdict(said: str) -> None:
    with pytest.raises(Unreadable):
        verdict_in(said)


def test_percentiles_are_values_that_occurred() -> None:
    values = list(range(1, 101))
    assert (percentile(values, 0.5), percentile(values, 0.95)) == (50, 95)
    assert (percentile([7], 0.5), percentile([7], 0.95)) == (7, 7)
    assert percentile([1, 9], 0.95) == 9
