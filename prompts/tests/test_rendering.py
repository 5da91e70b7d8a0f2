"""Templates: plain substitution, once, with nothing evaluated."""

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from prompts.rendering import places_of
from prompts.variables import fill


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no place", []),
        ("{{name}}", [("name", None)]),
        ("{{ name }} {{name}}", [("name", None)]),
        ("{{语气|正式}}的{{文本}}", [("语气", "正式"), ("文本", None)]),
        ("{{a|}}", [("a", "")]),
        ("{{a}} {{a|later}}", [("a", "later")]),
        ("{{a|first}} {{a|second}}", [("a", "first")]),
        ("{{a| two words, and: more }}", [("a", "two words, and: more")]),
        ("{{}} {{ }} {{1a}} {{a b}} {{a.b}} {{#if a}} {a} {{_a}}", []),
        ("{{{{a}}}}", [("a", None)]),
        ("{{a\n}}", []),
    ],
)
def test_places_are_found(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert list(places_of(text).items()) == expected


def test_values_and_defaults_are_filled_in() -> None:
    text = "Translate into {{language|English}}: {{text}}"
    assert fill(text, (), {"text": "你好"}) == "Translate into English: 你好"
    assert fill(text, (), {"text": "hi", "language": "中文"}) == "Translate into 中文: hi"
    assert fill(text, (), {"text": "hi", "language": ""}) == "Translate into : hi"


def test_a_value_is_never_read_as_a_template() -> None:
    values = {"a": "{{b}} {% now %} {0} %s \\1", "b": "secret"}
    assert fill("{{a}}-{{b}}", (), values) == "{{b}} {% now %} {0} %s \\1-secret"


def test_missing_and_unknown_are_named_together() -> None:
    with pytest.raises(ValidationError) as raised:
        fill("{{a}} {{b}} {{c|x}}", (), {"a": "", "d": "1"})
    assert set(raised.value.message_dict) == {"a", "b", "d"}


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_renders_in_one_pass(text: str, value: str) -> None:
    values = dict.fromkeys(places_of(text), value or "x")
    filled = fill(text, (), values)
    if not values:
        assert filled == text


def test_hostile_text_takes_no_time() -> None:
    fill("{{a" * 20_000 + "{{" * 20_000 + "{{ " + " " * 20_000, (), {})
