"""Two texts word by word."""

import random

import pytest

from chat.differing import WORDS_MAX, Piece, difference


def texts(found: list[Piece], kind: str) -> list[str]:
    return [piece.text for piece in found if piece.kind == kind]


def test_words_that_only_one_of_them_says() -> None:
    found = difference("The quick brown fox jumps.", "The slow red fox jumped.")
    assert texts(found.left, "left") == ["quick brown", "jumps"]
    assert texts(found.right, "right") == ["slow red", "jumped"]
    assert texts(found.left, "same") == ["The ", " fox ", "."]


def test_chinese_goes_by_character() -> None:
    found = difference("今天天气很好。", "今天天气不好。")
    assert (texts(found.left, "left"), texts(found.right, "right")) == (["很"], ["不"])
    assert found.percent == 85


@pytest.mark.parametrize(("left", "right", "percent"), [("a b", "a b", 100), ("", "", 100)])
def test_the_same(left: str, right: str, percent: int) -> None:
    assert difference(left, right).percent == percent


def test_almost_the_same_is_not_the_same() -> None:
    assert difference("word " * 900, "word " * 899 + "other ").percent == 99
    assert difference("a", "b").percent == 0


@pytest.mark.parametrize("seed", range(40))
def test_nothing_is_lost(seed: int) -> None:
    """Whatever the texts are, each side's pieces are that text again."""
    chance = random.Random(seed)
    words = ["a", "bb", " ", "  ", "\n", "中", "文", ".", "`", "<b>", "é", "日"]
    left, right = ("".join(chance.choices(words, k=chance.randrange(60))) for _side in range(2))
    found = difference(left, right)
    assert "".join(piece.text for piece in found.left) == left
    assert "".join(piece.text for piece in found.right) == right


def test_long_texts_go_by_line() -> None:
    lines = [f"line {number} of many" for number in range(WORDS_MAX)]
    changed = [*lines[:5], "another line", *lines[6:]]
    found = difference("\n".join(lines), "\n".join(changed))
    assert found.is_by_line
    assert texts(found.right, "right") == ["another line\n"]
