"""Typed variables: what each takes, and what it becomes in the text."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from prompts.variables import clean_specs, fill, variables_of

AMOUNT = {"name": "n", "type": "number", "minimum": 1, "maximum": 10}
TONE = {"name": "tone", "type": "choice", "choices": ["warm", "cool"]}
BOX = {"name": "box", "type": "check", "checked_text": "With examples.", "unchecked_text": ""}


def _filled(spec: dict[str, Any], value: object) -> str:
    return fill(f"{{{{{spec['name']}}}}}", [spec], {spec["name"]: value})


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        (AMOUNT, "7", "7"),
        (AMOUNT, 7.50, "7.5"),
        (AMOUNT, " 1e1 ", "10"),
        (TONE, "warm", "warm"),
        ({"name": "day", "type": "date"}, "2026-02-28", "2026-02-28"),
        (BOX, True, "With examples."),
        (BOX, "false", ""),
        (BOX, "", ""),
    ],
)
def test_fitting_values_become_text(spec: dict[str, Any], value: object, expected: str) -> None:
    assert _filled(spec, value) == expected


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (AMOUNT, "0"),
        (AMOUNT, 10.5),
        (AMOUNT, "seven"),
        (AMOUNT, "nan"),
        (AMOUNT, "9" * 40),
        (AMOUNT, "1e999999"),
        (AMOUNT, ""),
        (TONE, "hot"),
        ({"name": "day", "type": "date"}, "28.02.2026"),
        ({"name": "day", "type": "date"}, "2026-02-30"),
        (BOX, "maybe"),
        ({"name": "a"}, "x" * 100_001),
    ],
)
def test_other_values_are_refused_by_name(spec: dict[str, Any], value: object) -> None:
    with pytest.raises(ValidationError) as raised:
        _filled(spec, value)
    assert list(raised.value.message_dict) == [spec["name"]]


def test_defaults_stand_in_and_today_is_a_date() -> None:
    specs = [
        {"name": "day", "type": "date", "default": "today"},
        {**BOX, "default": "true"},
        {"name": "free", "required": False},
    ]
    text = fill("{{day}}|{{box}}|{{free}}|{{given|here}}", specs, {})
    assert text == f"{timezone.localdate().isoformat()}|With examples.||here"


def test_what_stands_in_the_text_is_the_default_whatever_else_is_said() -> None:
    (variable,) = variables_of("{{a|5}}", [{"name": "a", "type": "number", "default": "7"}])
    assert (variable.type, variable.default) == ("number", "5")


def test_declarations_are_kept_in_the_order_of_the_text_without_what_is_usual() -> None:
    specs = [TONE, {"name": "text", "type": "long"}, {"name": "plain", "type": "text"}, AMOUNT]
    kept = clean_specs("{{n}} {{plain}} {{text}} {{tone}}", specs)
    assert [spec["name"] for spec in kept] == ["n", "tone"]
    assert kept[0] == AMOUNT


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "gone"},
        {"name": "a", "type": "colour"},
        {"name": "a", "type": "number", "minimum": 5, "maximum": 4},
        {"name": "a", "type": "number", "maximum": 4, "default": "5"},
        {"name": "a", "type": "choice"},
        {"name": "a", "type": "choice", "choices": ["x", "x"]},
        {"name": "a", "type": "choice", "choices": ["x"], "default": "y"},
        {"name": "a", "type": "date", "default": "soon"},
        {"name": "a", "label": "x" * 101},
        {"name": "a", "help": "a\x00"},
        {"name": "a", "surprise": 1},
    ],
    ids=str,
)
def test_declarations_that_cannot_work_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        clean_specs("{{a}}", [spec])
    assert list(raised.value.message_dict) == ["variables"]
    assert spec["name"] in str(raised.value)


def test_no_place_is_declared_twice_and_not_too_many() -> None:
    with pytest.raises(ValidationError):
        clean_specs("{{a}}", [{"name": "a", "label": "x"}, {"name": "a", "label": "y"}])
    with pytest.raises(ValidationError):
        clean_specs(" ".join(f"{{{{a{n}}}}}" for n in range(51)), [])
