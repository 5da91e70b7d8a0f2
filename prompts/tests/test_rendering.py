"""Templates: plain substitution, once, with nothing evaluated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.rendering import Variable, VariablesDiffer, render, variables_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no place", []),
        ("{{name}}", [Variable("name")]),
        ("{{ name }} {{name}}", [Variable("name")]),
        ("{{语气|正式}}的{{文本}}", [Variable("语气", "正式"), Variable("文本")]),
        ("{{a|}}", [Variable("a", "")]),
        ("{{a}} {{a|later}}", [Variable("a", "later")]),
        ("{{a|first}} {{a|second}}", [Variable("a", "first")]),
        ("{{a| two words, and: more }}", [Variable("a", "two words, and: more")]),
        ("{{}} {{ }} {{1a}} {{a b}} {{a.b}} {{#if a}} {a} {{_a}}", []),
        ("{{{{a}}}}", [Variable("a")]),
        ("{{a\n}}", []),
    ],
)
def test_places_are_found(text: str, expected: list[Variable]) -> None:
    assert variables_of(text) == expected


def test_values_and_defaults_are_filled_in() -> None:
    text = "Translate into {{language|English}}: {{text}}"
    assert render(text, {"text": "你好"}) == "Translate into English: 你好"
    assert render(text, {"text": "hi", "language": "中文"}) == "Translate into 中文: hi"
    assert render(text, {"text": "hi", "language": ""}) == "Translate into : hi"


def test_a_value_is_never_read_as_a_template() -> None:
    values = {"a": "{{b}} {% now %} {0} %s \\1", "b": "secret"}
    assert render("{{a}}-{{b}}", values) == "{{b}} {% now %} {0} %s \\1-secret"


def test_missing_and_unknown_are_named_together() -> None:
    with pytest.raises(VariablesDiffer) as raised:
        render("{{a}} {{b}} {{c|x}}", {"a": "", "d": "1"})
    assert raised.value.missing == ["a", "b"]
    assert raised.value.unknown == ["d"]


@given(st.text(max_size=300), st.text(max_size=50))
def test_any_text_renders_in_one_pass(text: str, value: str) -> None:
    values = {variable.name: value or "x" for variable in variables_of(text)}
    filled = render(text, values)
    if not values:
        assert filled == text


def test_hostile_text_takes_no_time() -> None:
    render("{{a" * 20_000 + "{{" * 20_000 + "{{ " + " " * 20_000, {})
