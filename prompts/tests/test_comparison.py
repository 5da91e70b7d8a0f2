"""Two versions line by line, and word by word within a line."""

from hypothesis import given
from hypothesis import strategies as st

from prompts.comparison import lines_of, variables_between
from prompts.variables import Variable


def _shown(before: str, after: str) -> list[tuple[str, str]]:
    return [(line.kind, line.text) for line in lines_of(before, after)]


def test_lines_stay_go_and_come() -> None:
    assert _shown("a\nb\nc", "a\nc\nd") == [
        ("same", "a"),
        ("removed", "b"),
        ("same", "c"),
        ("added", "d"),
    ]


def test_within_a_changed_line_the_words_are_marked() -> None:
    old, new = lines_of("Write five points.", "Write three points.")
    assert [piece.text for piece in old.pieces if piece.is_changed] == ["five"]
    assert [piece.text for piece in new.pieces if piece.is_changed] == ["three"]
    old, new = lines_of("请写五条要点", "请写三条要点")
    assert [piece.text for piece in new.pieces if piece.is_changed] == ["三"]


def test_unlike_lines_are_shown_whole() -> None:
    old, new = lines_of("abc def", "翻译成英文")
    assert not any(piece.is_changed for line in (old, new) for piece in line.pieces)


@given(st.text("ab\n ", max_size=40), st.text("ab\n ", max_size=40))
def test_both_texts_can_be_read_from_the_lines(before: str, after: str) -> None:
    lines = lines_of(before, after)
    old = [line for line in lines if line.kind != "added"]
    new = [line for line in lines if line.kind != "removed"]
    assert "\n".join(line.text for line in old) == before
    assert "\n".join(line.text for line in new) == after
    assert [line.left for line in old] == list(range(1, len(old) + 1))
    assert [line.right for line in new] == list(range(1, len(new) + 1))


def test_variables_that_differ_are_named() -> None:
    before = [Variable("same"), Variable("type"), Variable("gone")]
    after = [Variable("same"), Variable("type", type="date"), Variable("new")]
    found = variables_between(before, after)
    assert [(each.name, bool(each.before), bool(each.after)) for each in found] == [
        ("type", True, True),
        ("new", False, True),
        ("gone", True, False),
    ]
    assert found[0].rows == [("type", None, "date")]
