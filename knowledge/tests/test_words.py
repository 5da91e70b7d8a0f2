import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.words import LONGEST_TERM, sparse, sparse_query, terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("中华人民共和国", {"中华", "人民", "共和国", "中华人民共和国"}),
        ("这是臺灣的遊戲開發", {"開發"}),
        ("The companies' indices are running", {"indic", "run"}),
        ("型号X-200已停产", {"x200", "x", "200", "型号", "停产"}),
        ("Version v1.2.3 of snake_case", {"v1.2.3", "snake_case", "snake", "case"}),
        ("mail John.Doe@example.com", {"john.doe@example.com", "john.doe", "example.com", "doe"}),
        ("1,234,567.5 and 3.14", {"1234567.5", "3.14"}),
        ("C++ or c#", {"c++", "c#"}),
        ("ＡＢＣ１２３", {"abc123"}),
        ("Cafe\u0301 café", {"cafe"}),
        ("カタカナ", {"カタ", "タカ", "カナ"}),
        ("한국어", {"한국", "국어"}),
        ("Привет мир", {"привет", "мир"}),
    ],
)
def test_what_a_text_is_found_by(text: str, expected: set[str]) -> None:
    assert expected <= set(terms(text))


@pytest.mark.parametrize("text", ["", "  ！？…", "😀🎉", "的 the of 是", "\x00\ud800"])
def test_punctuation_and_stop_words_leave_nothing(text: str) -> None:
    assert terms(text) == []


def test_a_question_and_a_text_meet_whatever_the_spelling() -> None:
    text = set(terms("The Wi-Fi router X-200 supports indices"))
    for asked in ("wifi", "WI-FI", "x200", "Ｘ－２００", "supported", "index’s indices"):
        assert text & set(terms(asked)), asked


def test_weights_grow_with_repetition_and_shrink_with_length() -> None:
    once = _weights(["a"] + ["b"] * 9)
    twice = _weights(["a", "a"] + ["b"] * 8)
    long = _weights(["a"] + ["b"] * 99)
    assert long["a"] < once["a"] < twice["a"] < 2.5


def _weights(found: list[str]) -> dict[str, float]:
    ids, values = sparse(found, average=10)
    numbers = {term: int(sparse_query([term])[0][0]) for term in set(found)}
    by_number = dict(zip(ids.tolist(), values.tolist(), strict=True))
    return {term: by_number[number] for term, number in numbers.items()}


def test_numbers_of_terms_are_the_same_for_ever() -> None:
    ids, values = sparse_query(["知识库", "index", "index"])
    assert ids.dtype == np.uint32 and values.dtype == np.float32
    assert dict(zip(ids.tolist(), values.tolist(), strict=True)) == {155562363: 1.0, 900914834: 2.0}


@given(st.text())
def test_any_text_has_terms_that_can_be_weighed(text: str) -> None:
    found = terms(text)
    assert all(term and len(term) <= LONGEST_TERM for term in found)
    ids, values = sparse(found, average=10)
    assert len(ids) == len(set(ids.tolist())) == len(values)
    assert found == terms(text)
