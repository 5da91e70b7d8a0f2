"""From bytes to records: splitting, encodings, refusals and the reason for every bad record."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.dataset_advice import FATES, FIXES, TITLES
from training.dataset_texts import REASONS, REFUSALS, explain, reason
from training.formats import source, splitting
from training.formats.detection import AUTO, LAYOUTS, detect, layout_of
from training.formats.fates import Fate
from training.formats.items import Item
from training.formats.layouts import Layout
from training.formats.problems import Refusal
from training.formats.reading import JSON, LINES, read_items
from training.formats.sifting import Sifted, sift
from training.tests.bundles import HOSTILE_CHATS, HOSTILE_PICTURES
from training.tests.dataset_examples import (
    BAD,
    BAD_PAIRS,
    BAD_TAGGED,
    GOOD,
    GOOD_PAIRS,
    GOOD_PAIRS_OPENAI,
    GOOD_TAGGED,
    GOOD_TAGGED_OPENAI,
)

OK = {"instruction": "q", "output": "a"}


def sifted(content: bytes, *, lines: bool = False, format: str = AUTO) -> tuple[Layout, Sifted]:
    file = io.BytesIO(content)
    reading = LINES if lines else JSON
    layout = detect(file, reading, format=format)
    return layout, sift(read_items(file, reading), layout, io.BytesIO())


def array(*records: Any) -> bytes:
    return json.dumps(records).encode()


def refusal(content: bytes, *, lines: bool = False, format: str = AUTO) -> Refusal:
    with pytest.raises(Refusal) as caught:
        sifted(content, lines=lines, format=format)
    assert "%" not in explain(caught.value)
    return caught.value


def codes(result: Sifted) -> list[str]:
    return [rejection.code for rejection in result.rejections]


# --- Records -----------------------------------------------------------------
ALL_GOOD = [
    *((name, records) for name, records in GOOD.items()),
    ("preference", GOOD_PAIRS),
    ("preference", GOOD_PAIRS_OPENAI),
    ("kto", GOOD_TAGGED),
    ("kto", GOOD_TAGGED_OPENAI),
]


@pytest.mark.parametrize(("format", "records"), ALL_GOOD)
def test_good_records_are_kept(format: str, records: list[dict[str, Any]]) -> None:
    layout, result = sifted(array(*records))
    assert layout.format == format
    assert (result.records, codes(result)) == (len(records), [])


@pytest.mark.parametrize(("format", "records"), ALL_GOOD)
def test_cleaning_twice_changes_nothing(format: str, records: list[dict[str, Any]]) -> None:
    layout, _result = sifted(array(*records))
    for record in records:
        cleaned = layout.clean(record)
        assert layout.clean(cleaned) == cleaned
        assert list(layout.turns(cleaned))
        assert layout_of(format, layout.entry(has_history=True)) == layout


ALL_BAD = [
    *((GOOD[name][0], bad, code) for name, pairs in BAD.items() for bad, code in pairs),
    *((GOOD_PAIRS[0], bad, code) for bad, code in BAD_PAIRS),
    *((GOOD_TAGGED[0], bad, code) for bad, code in BAD_TAGGED),
]


@pytest.mark.parametrize(("good", "bad", "code"), ALL_BAD)
def test_a_bad_record_has_its_reason_and_the_rest_is_kept(
    good: dict[str, Any], bad: dict[str, Any], code: str
) -> None:
    _layout, result = sifted(array(good, bad, good))
    assert result.records == 2
    assert codes(result) == [code]
    rejection = result.rejections[0]
    assert rejection.record == 2
    assert "%" not in reason(rejection.code, rejection.params)


def test_every_reason_has_a_sentence_and_every_sentence_a_test() -> None:
    tested = {code for _good, _bad, code in ALL_BAD}
    elsewhere = {"not_object", "broken_line", "too_long", "too_deep"}
    elsewhere |= {code for _record, code in HOSTILE_PICTURES + HOSTILE_CHATS} | {
        "picture_no_zip",
        "picture_large",
    }
    elsewhere |= {"stray_quote", "cell_count", "nothing_there"}  # test_dataset_tables.py
    assert tested | elsewhere == set(REASONS) == set(FIXES) == set(TITLES)
    assert set(FATES) == set(Fate)


def test_what_python_cannot_hold_is_one_bad_record() -> None:
    deep = "[" * 10_000 + "]" * 10_000
    head = '{"instruction": "q", "output": "a", "x": '
    content = f"[{head}{deep}}}, {head}{'9' * 5000}}}, {head}NaN}}, 7, null, {json.dumps(OK)}]"
    _layout, result = sifted(content.encode())
    assert codes(result) == ["too_deep", "not_object", "not_object"]
    assert (result.records, result.ignored) == (3, ["x"])


def test_the_last_of_two_equal_keys_counts() -> None:
    file = io.BytesIO(b'[{"instruction": "first", "instruction": "second", "output": "a"}]')
    assert next(read_items(file, JSON)).value["instruction"] == "second"


def test_deep_tools_are_refused() -> None:
    conversation = GOOD["sharegpt"][0]
    for tools in (f"{'[' * 500}{']' * 500}", [{"name": "a", "x": json.loads("[" * 99 + "]" * 99)}]):
        _layout, result = sifted(array(conversation, {**conversation, "tools": tools}))
        assert codes(result) == ["too_deep"]


def test_a_long_record_is_skipped_without_being_held(monkeypatch: pytest.MonkeyPatch) -> None:
    long = {"instruction": "q", "output": "x" * (splitting.MAX_RECORD_BYTES * 3)}
    for content, lines in (
        (array(OK, long, OK), False),
        (b"\n".join(json.dumps(record).encode() for record in (OK, long, OK)), True),
    ):
        _layout, result = sifted(content, lines=lines)
        assert (result.records, codes(result)) == (2, ["too_long"])


# --- Places ------------------------------------------------------------------
def test_lines_are_those_of_the_file() -> None:
    pretty = json.dumps([OK, {**OK, "output": 1}, OK, 5], indent=2).encode()
    _layout, result = sifted(pretty)
    bad = pretty.decode().split("\n").index('    "output": 1')
    assert [rejection.line for rejection in result.rejections] == [bad - 1 + 1 - 1, 14]


def test_lines_of_json_lines() -> None:
    content = f"\n{json.dumps(OK)}\r\n\n  {{bad\n{json.dumps(OK)}".encode()
    _layout, result = sifted(content, lines=True)
    assert result.records == 2
    assert [(r.line, r.code, r.params) for r in result.rejections] == [
        (4, "broken_line", {"column": 4})
    ]


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        ('[{"instruction": "你好", "output": bad}]', 1, 34),
        ('[\n {"instruction": "q",\n  "output": bad}\n]', 3, 13),
        ('[{"instruction": "q", "output": "a"},]', 1, 38),
        ('[{"instruction": "q"} {"instruction": "q"}]', 1, 23),
        ('[{"instruction": "q", "output": "a"}] x', 1, 39),
        ('[{"instruction": "q", "output": "a"}', 1, 37),
        ('[{"instruction": "q", "output": "a"\n}}', 2, 2),
        ("[", 1, 2),
        ("[,", 1, 2),
        ('{"instruction": "q"\n "output": "a"}', 2, 2),
        ("<html>\n</html>", 1, 1),
        ("hello", 1, 1),
    ],
)
def test_broken_json_is_refused_with_its_place(content: str, line: int, column: int) -> None:
    found = refusal(content.encode())
    assert (found.code, dict(found.params)) == ("broken_json", {"line": line, "column": column})


def test_a_file_that_is_cut_off_is_refused() -> None:
    found = refusal(b'[\n{"instruction": "q", "output": "a"},\n{"instruction": "unclosed}]')
    assert (found.code, dict(found.params)) == ("cut_off", {"line": 3, "column": 1})


# --- Files -------------------------------------------------------------------
@pytest.mark.parametrize("content", [b"", b" \n\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    assert refusal(content).code == "empty_file"


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("gbk", "GBK"),
        ("gb18030", "GBK"),
        ("utf-16", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("utf-32", "UTF-32"),
    ],
)
def test_another_encoding_is_named(codec: str, name: str) -> None:
    text = (
        "[\n" + json.dumps({"instruction": "你好，世界", "output": "好"}, ensure_ascii=False) + "]"
    )
    found = refusal(text.encode(codec))
    assert (found.code, found.params["encoding"]) == ("encoding", name)
    assert name in explain(found) and "iconv" in explain(found)


def test_an_encoding_far_into_the_file_is_found_with_its_line() -> None:
    good = f"{json.dumps(OK)}\n".encode()
    content = good * (2 * source.CHUNK_BYTES // len(good))
    found = refusal(content + "你好".encode("gbk"), lines=True)
    assert found.params["line"] == content.count(b"\n") + 1
    assert explain(Refusal("encoding", encoding="", line=1))


def test_a_byte_order_mark_is_no_problem() -> None:
    assert sifted(b"\xef\xbb\xbf" + array(OK))[1].records == 1


@pytest.mark.parametrize(
    ("content", "lines", "code"),
    [
        (b"[]", False, "no_records"),
        (json.dumps(OK, indent=1).encode(), False, "single_object"),
        (json.dumps({"data": "x" * 1_100_000}).encode(), False, "single_object"),
        (array([OK])[1:-1] + b"x", False, "broken_json"),
        (json.dumps({"data": [OK]}).encode(), False, "wrapped"),
        (array(1, 2, 3), False, "no_valid_records"),
        (b"{bad\n{bad\n", True, "no_valid_records"),
        (array({"question": "q", "answer": "a"}), False, "wrong_columns"),
        (array({}), False, "wrong_columns"),
        (array({**OK, "output": 5}, {**OK, "output": 6}), False, "no_valid_records"),
        (
            array({**OK, "output": "2024-01-01"}, {**OK, "output": "2024-01-02"}),
            False,
            "only_times",
        ),
        (array({"text": "2024-01-01 10:00"}), False, "only_times"),
    ],
)
def test_a_useless_file_is_refused(content: bytes, lines: bool, code: str) -> None:
    found = refusal(content, lines=lines)
    assert found.code == code
    assert bool(found.rejections) == (code == "no_valid_records")


def test_wrong_columns_names_those_found_and_expected() -> None:
    text = explain(refusal(array({"question": "q", "answer\n": "a" * 99}), format="alpaca"))
    assert "question, answer�" in text and "alpaca: instruction, output" in text
    assert "sharegpt" not in text


def test_every_refusal_has_a_sentence() -> None:
    ours = {"too_large", "wrong_extension", "disk_full"}
    for code in {*REFUSALS} - ours:
        places: dict[str, str | int] = {
            "line": 1,
            "column": 1,
            "limit": 1,
            "limit_mb": 1,
            "ratio": 1,
        }
        words = {"field": "f", "found": "f", "expected": "e", "encoding": "x"}
        words |= {"names": "n", "allowed": "a"}
        assert explain(Refusal(code, **places, **words))


# --- Which layout ------------------------------------------------------------
def test_json_lines_may_be_called_json() -> None:
    content = b"".join(json.dumps(OK).encode() + b"\n" for _n in range(3))
    assert sifted(content)[1].records == 3
    assert sifted(array(OK), lines=True)[1].records == 1


def test_the_layout_of_most_records_wins() -> None:
    layout, result = sifted(array(OK, OK, GOOD["sharegpt"][0]))
    assert layout.format == "alpaca"
    assert codes(result) == ["missing_field"]


def test_other_uses_of_common_names_do_not_mislead() -> None:
    labelled = {**OK, "label": "greeting", "text": "q a", "id": 5}
    layout, result = sifted(array(labelled))
    assert layout.format == "alpaca"
    assert sorted(result.ignored) == ["id", "label", "text"]


def test_a_format_can_be_asked_for() -> None:
    both = {**OK, "chosen": "a", "rejected": "b"}
    assert sifted(array(both))[0].format == "preference"
    assert sifted(array(both), format="alpaca")[0].format == "alpaca"
    assert refusal(array(OK), format="sharegpt").code == "wrong_columns"


def test_placeholders_are_found() -> None:
    _layout, result = sifted(array({"instruction": "{{name}}", "output": "{{ author }} {no} {{}}"}))
    assert result.placeholders == {"name", "author"}


# --- Every split, and noise --------------------------------------------------
class Trickle(io.BytesIO):
    """Gives `step` bytes at a time, whatever is asked for."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self.step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.step)


TRICKY = [
    {"a": '\\"]}', "b": ["[", {"c": "你\\\\"}]},
    "s,]",
    -1.5e3,
    None,
    [],
    {},
    [[1], "]"],
    True,
]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_file_may_be_cut_anywhere(step: int, indent: int | None) -> None:
    content = json.dumps(TRICKY, indent=indent, ensure_ascii=False).encode()
    items = list(read_items(Trickle(content, step), JSON))
    assert [item.value for item in items] == TRICKY
    lines = [item.line for item in items]
    whole = list(read_items(io.BytesIO(content), JSON))
    assert lines == [item.line for item in whole] == sorted(lines)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(json_values, max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
@settings(max_examples=150, deadline=None)
def test_the_splitter_agrees_with_json(values: list[Any], step: int, indent: int | None) -> None:
    content = json.dumps(values, indent=indent).encode()
    items = read_items(Trickle(content, step), JSON)
    assert [item.value for item in items] == values


@given(st.binary(max_size=200), st.integers(1, 20), st.booleans())
@settings(max_examples=300, deadline=None)
def test_noise_is_refused_and_never_crashes(noise: bytes, step: int, lines: bool) -> None:
    for content in (noise, b"[" + noise, array(OK)[:-1] + noise, array(OK)[:-10] + noise):
        try:
            list(read_items(Trickle(content, step), LINES if lines else JSON))
        except Refusal as found:
            assert explain(found)


@given(st.lists(json_values, min_size=1, max_size=4), st.sampled_from(LAYOUTS))
@settings(max_examples=150, deadline=None)
def test_any_value_is_kept_or_has_a_reason(values: list[Any], layout: Layout) -> None:
    keys = sorted(layout.used)
    records = [dict(zip(keys, values, strict=False)), *values]
    items: Iterator[Item] = (Item(n, value) for n, value in enumerate(records))
    try:
        result = sift(items, layout, io.BytesIO())
    except Refusal as found:
        assert found.code in ("no_valid_records", "only_times")
        return
    assert result.records + result.rejected == len(records)
