"""Tables and plain text: cells, delimiters, encodings, and the line where each record starts."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.dataset_texts import explain, reason
from training.formats import splitting, tables
from training.formats.detection import AUTO, detect
from training.formats.items import Item
from training.formats.layouts import Layout
from training.formats.problems import Refusal
from training.formats.prose import Split
from training.formats.reading import Kind, Reading, read_items
from training.formats.shaping import shaped
from training.formats.sifting import Sifted, sift
from training.tests.test_dataset_formats import Trickle

TABLE = Reading(Kind.TABLE)
PROSE = Reading(Kind.PROSE)


def items(content: bytes, reading: Reading = TABLE, step: int = 1 << 20) -> list[Item]:
    return list(read_items(Trickle(content, step), reading))


def sifted(content: bytes, reading: Reading = TABLE, format: str = AUTO) -> tuple[Layout, Sifted]:
    file = io.BytesIO(content)
    layout = detect(file, reading, format=format)
    target = io.BytesIO()
    return layout, sift(shaped(read_items(file, reading), reading, None), layout, target)


def refusal(content: bytes, reading: Reading = TABLE) -> Refusal:
    with pytest.raises(Refusal) as caught:
        sifted(content, reading)
    assert "%" not in explain(caught.value)
    return caught.value


# --- Tables ------------------------------------------------------------------
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_and_line_ends_are_found_out(mark: str, end: str) -> None:
    rows = [["instruction", "output"], ["q 1", 'a, "b"; c'], ["q\ttwo|", f"first{end}second"]]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=mark, lineterminator=end).writerows(rows)
    for content in (written.getvalue().encode(), b"\xef\xbb\xbf" + written.getvalue().encode()):
        found = items(content)
        assert [item.value["output"] for item in found] == ['a, "b"; c', "first\nsecond"]
        assert [item.line for item in found] == [2, 3]


def test_lines_are_those_of_the_file_also_after_cells_of_many_lines() -> None:
    content = (
        b'instruction,output\r\n"two\r\nlines","a"\r\n\r\nq,\r\nq,a,more\r\nq\r\n"q"x,a\r\nq,a\r\n'
    )
    _layout, result = sifted(content)
    assert result.records == 2
    assert [(r.line, r.record, r.code) for r in result.rejections] == [
        (5, 2, "empty"),
        (6, 3, "cell_count"),
        (7, 4, "cell_count"),
        (8, 5, "stray_quote"),
    ]
    for rejection in result.rejections:
        assert "%" not in reason(rejection.code, rejection.params)


def test_cells_get_the_types_that_the_formats_know() -> None:
    content = (
        b"instruction,output,kto_tag,history\n"
        b'q,a,true,"[[""q0"", ""a0""]]"\nq,a,0,\nq,a,maybe,\nq,a,YES,not json\n'
    )
    layout, result = sifted(content)
    assert (layout.format, result.records) == ("kto", 2)
    assert [r.code for r in result.rejections] == ["wrong_type", "wrong_type"]
    turns = '[{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]'.replace('"', '""')
    chat = f'conversations\n"{turns}"\n'.encode()
    assert sifted(chat)[0].format == "sharegpt"


def test_a_label_of_numbers_is_no_verdict() -> None:
    layout, result = sifted(b"instruction,output,label\nq,a,1\nq,a,0\n")
    assert (layout.format, result.ignored) == ("alpaca", ["label"])


def test_quotes_and_headers_as_they_are_said_to_be() -> None:
    reading = Reading(Kind.TABLE, delimiter=";", quote="'")
    assert items(b"text;x\n'a;\"b''';c\n", reading)[0].value == {"text": "a;\"b'", "x": "c"}
    plain = Reading(Kind.TABLE, delimiter=",", quote="")
    assert items(b'text,x\n"a,b"\n', plain)[0].value == {"text": '"a', "x": 'b"'}
    bare = Reading(Kind.TABLE, has_header=False)
    assert [item.value for item in items(b"q,a\nq2,a2\n", bare)] == [
        {"column1": "q", "column2": "a"},
        {"column1": "q2", "column2": "a2"},
    ]


def test_encodings_are_read_when_they_are_named() -> None:
    text = "instruction,output\n你好，世界,好\n"
    for encoding in ("gb18030", "big5", "utf-16", "utf-32"):
        content = text.encode(encoding)
        assert refusal(content).code == "encoding"
        named = Reading(Kind.TABLE, encoding=encoding)
        for step in (1, 3, 1 << 20):
            assert items(content, named, step)[0].value["instruction"] == "你好，世界"
    latin = "instruction,output\nCafé,ça\n".encode("cp1252")
    assert items(latin, Reading(Kind.TABLE, encoding="cp1252"))[0].value["output"] == "ça"
    wrong = refusal(
        "instruction,output\nq,a\n\xff\n".encode("latin-1"), Reading(Kind.TABLE, "big5")
    )
    assert (wrong.code, wrong.params["encoding"]) == ("decoding", "Big5")


@pytest.mark.parametrize(
    ("content", "code", "params"),
    [
        (b"", "empty_file", {}),
        (b"\n\n", "empty_file", {}),
        (b"instruction,output\n", "no_records", {}),
        (b"instruction,\nq,a\n", "header_empty", {"column": 2}),
        (b"instruction,output,output\nq,a,a\n", "header_twice", {"field": "output"}),
        (b'"in"x,output\nq,a\n', "header_unreadable", {}),
        (b'instruction,output\nq,a\nq,"a\nq,a\n', "open_quote", {"line": 3}),
        (b"," * 2000 + b"\nq,a\n", "too_many_columns", {"found": 2001, "limit": 1000}),
        (b"question,answer\nq,a\n", "wrong_columns", None),
        (b"PK\x03\x04 and more", "not_text", {"found": "Excel or ZIP"}),
        (b"PAR1\x15\x04", "not_text", {"found": "Parquet"}),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "not_text", {"found": "Excel or Word"}),
    ],
)
def test_useless_tables_are_refused(
    content: bytes, code: str, params: dict[str, Any] | None
) -> None:
    found = refusal(content)
    assert found.code == code
    assert params is None or dict(found.params) == params


def test_a_row_that_is_too_long_is_skipped_without_being_held() -> None:
    long = b"x" * (splitting.MAX_RECORD_BYTES * 3)
    content = (
        b"instruction,output\nq," + long + b'\nq,a\n"' + long[:10] + b"\n" + long + b'",a\nq,a\n'
    )
    found = items(content, step=4096)
    assert [(item.line, item.problem and item.problem.code) for item in found] == [
        (2, "too_long"),
        (3, None),
        (4, "too_long"),
        (6, None),
    ]


def test_a_quotation_mark_that_swallows_the_file_is_found_within_bounds() -> None:
    content = b'instruction,output\nq,"a\n' + b"line,of,cells\n" * 200_000
    assert (refusal(content).code, refusal(content).params["line"]) == ("open_quote", 2)


cells = st.text(
    st.characters(exclude_characters="\r\x00", exclude_categories=("Cs",)), min_size=1, max_size=12
)


@given(st.lists(st.lists(cells, min_size=3, max_size=3), min_size=1, max_size=8), st.integers(1, 9))
@settings(max_examples=120, deadline=None)
def test_what_python_writes_is_read_again(rows: list[list[str]], step: int) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([["a", "b", "c"], *rows])
    found = items(written.getvalue().encode(), Reading(Kind.TABLE, delimiter=","), step)
    assert [list(item.value.values()) for item in found] == rows


@given(st.binary(max_size=200), st.integers(1, 20), st.sampled_from(["", ",", "\t"]))
@settings(max_examples=200, deadline=None)
def test_noise_is_refused_and_never_crashes(noise: bytes, step: int, mark: str) -> None:
    for content in (noise, b"a,b\n" + noise, b"\xff\xfe" + noise):
        for encoding in ("utf-8", "gb18030", "utf-16"):
            try:
                items(content, Reading(Kind.TABLE, encoding, mark), step)
            except Refusal as found:
                assert explain(found)


def test_the_guess_prefers_the_mark_that_parts_every_row_alike() -> None:
    head = ["a;b;c\n", "x, y;z;1,5\n", "x;y, and, more;z\n", tables.Long("\n")]
    assert tables.guess_delimiter(head, '"') == ";"
    assert tables.guess_delimiter(["text\n", "no marks here\n"], '"') == ","


# --- Plain text --------------------------------------------------------------
STORY = "First line\nstill first.\n\n\nSecond paragraph.\n \nThird\n"


def test_paragraphs_end_at_blank_lines() -> None:
    for content in (STORY, STORY.replace("\n", "\r\n"), STORY.replace("\n", "\r")):
        for step in (1, 2, 1 << 20):
            found = items(content.encode(), PROSE, step)
            assert [(item.line, item.value["text"]) for item in found] == [
                (1, "First line\nstill first."),
                (5, "Second paragraph."),
                (7, "Third"),
            ]


def test_every_line_or_blocks_of_one_length() -> None:
    found = items(STORY.encode(), Reading(Kind.PROSE, split=Split.LINES))
    assert [item.line for item in found] == [1, 2, 5, 7]
    words = ("一二三四五六七八九。" * 30 + "\n") * 2
    blocks = items(words.encode(), Reading(Kind.PROSE, split=Split.BLOCKS, block_chars=95), 7)
    texts = [item.value["text"] for item in blocks]
    assert "".join(texts).replace("\n", "") == words.replace("\n", "")
    assert all(len(text) <= 95 and text.endswith("。") for text in texts)
    assert blocks[0].line == 1 and blocks[-1].line == 2
    solid = items(b"x" * 250, Reading(Kind.PROSE, split=Split.BLOCKS, block_chars=100))
    assert [len(item.value["text"]) for item in solid] == [100, 100, 50]


def test_a_paragraph_that_is_too_long_is_one_bad_record() -> None:
    line = b"word " * 1000 + b"\n"
    content = b"short\n\n" + line * 300 + b"\nshort\n\n" + b"y" * 2_200_000 + b"\n\nend"
    layout, result = sifted(content, PROSE)
    assert (layout.format, result.records) == ("text", 3)
    assert [(r.line, r.code) for r in result.rejections] == [(3, "too_long"), (306, "too_long")]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=300), st.integers(1, 9))
@settings(max_examples=120, deadline=None)
def test_no_text_is_lost(text: str, step: int) -> None:
    for split in Split:
        reading = Reading(Kind.PROSE, split=split, block_chars=50)
        try:
            found = items(text.encode(), reading, step)
        except Refusal:
            continue
        kept = "".join(item.value["text"] for item in found)
        assert "".join(kept.split()) == "".join(text.removeprefix("\ufeff").split())
