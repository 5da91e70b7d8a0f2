"""Text that every database keeps and every page shows as it is."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.template import Context, Template
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from llmplatform.text import enumerated, money, number_of, storable, validate_name


def test_it_is_composed() -> None:
    assert storable("e\u0301") == "é"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("1234", None), ("", None), ("-1", None), ("²", None), ("1.0", None)],
)
def test_digits_are_a_number_up_to_a_length(text: str, number: int | None) -> None:
    assert number_of(text, 3) == number
    assert number_of("9" * 5000) is None


def test_lists_have_the_comma_of_the_language() -> None:
    assert enumerated(["a", 2]) == "a, 2"
    with override("zh-hans"):
        assert enumerated(["a", 2]) == "a、2"
        shown = Template("{{ parts|enumerated }} {% comma %}").render(
            Context({"parts": ["a", "b"]})
        )
    assert shown == "a、b 、"


@pytest.mark.parametrize("value", ["a\x00b", "\ud800", "x\udfff"])
def test_what_no_database_keeps_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        storable(value)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_everything_else_passes_and_can_be_encoded(value: str) -> None:
    assert storable(storable(value)) == storable(value)
    storable(value).encode()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", " . ", "a/b", "..\\b", "a\x00", "a\u202eb", "\ufeffa", "a\nb", "\ud800"],
)
def test_names_that_deceive_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        validate_name(name)


@pytest.mark.parametrize("name", ["枫叶", "a.b", "v1.0 (final)", "naïve"])
def test_names_that_people_write_pass(name: str) -> None:
    validate_name(name)


@pytest.mark.parametrize(
    ("amount", "currency", "shown"),
    [
        *(("0", "USD", "$0"), ("0E-10", "CNY", "¥0"), ("1234.5", "USD", "$1,234.50")),
        *(("1", "CNY", "¥1.00"), ("0.25", "USD", "$0.2500"), ("0.0123", "USD", "$0.0123")),
        *(("0.0000123", "USD", "$0.000012"), ("0.0000000001", "USD", "$0.00000000010")),
        ("3", "EUR", "EUR 3.00"),
    ],
)
def test_money(amount: str, currency: str, shown: str) -> None:
    assert money(Decimal(amount), currency) == shown
