"""Reading environment variables: typed, and a wrong value is named."""

from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from llmplatform.env import read_bool, read_decimal, read_int, read_list, read_path, read_text


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("Yes", True), (" on ", True), ("0", False), ("", False)]
)
def test_switches(value: str, expected: bool) -> None:
    assert read_bool("X", env={"X": value}) is expected


def test_an_absent_switch_keeps_its_default() -> None:
    assert read_bool("X", default=True, env={}) is True


def test_a_wrong_switch_names_the_variable() -> None:
    with pytest.raises(ImproperlyConfigured, match="X must be one of"):
        read_bool("X", env={"X": "maybe"})


def test_numbers() -> None:
    assert read_int("X", 5, env={}) == 5
    assert read_int("X", 5, env={"X": " 7 "}) == 7
    with pytest.raises(ImproperlyConfigured, match="X must be a whole number, not 'seven'"):
        read_int("X", 5, env={"X": "seven"})


def test_decimals_are_above_zero() -> None:
    assert read_decimal("X", "7.1", env={}) == Decimal("7.1")
    for value in ("seven", "0", "-1", "NaN", "inf"):
        with pytest.raises(ImproperlyConfigured, match="X must be a number above zero"):
            read_decimal("X", "7.1", env={"X": value})


def test_text_of_blanks_is_the_default() -> None:
    assert read_text("X", "default", env={"X": "  "}) == "default"
    assert read_text("X", "default", env={"X": " a b "}) == "a b"


def test_lists_drop_blanks() -> None:
    assert read_list("X", env={"X": " a, ,b,"}) == ["a", "b"]
    assert read_list("X", ("d",), env={"X": " , "}) == ["d"]


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_path("X", Path("d"), env={"X": "folder"}) == tmp_path / "folder"
    assert read_path("X", Path("d"), env={"X": "~"}) == Path.home()
    assert read_path("X", Path("d"), env={}) == Path("d")
