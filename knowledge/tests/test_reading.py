"""Reading in the child process: what comes out of each kind of file, and what of broken ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from knowledge.reading import Parsed, Reader, Unreadable, pagetext
from knowledge.tests import files

CHINESE = (
    "机器学习是人工智能的一个分支，它研究计算机怎样模拟或实现人类的学习行为，以获取新的知识或技能。"
)
ENGLISH = (
    "The quick brown fox jumps over the lazy dog while nobody of the household looks out of any of "
    "the windows, and so the afternoon passes."
)


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


def said(parsed: Parsed) -> list[tuple[str, str]]:
    return [(block.kind, parsed.text[block.start : block.end]) for block in parsed.blocks]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk", "big5", "utf-32"]
)
def test_text_in_any_encoding(reader: Reader, tmp_path: Path, encoding: str) -> None:
    text = "第一段，中文的一段。\n\n第二段：人工智能。"
    if encoding == "big5":
        text = "第一段，中文的一段。\n\n第二段：機器學習。"
    path = files.written(tmp_path, text.encode(encoding), "a.txt")
    assert reader.read(path, "a.txt").text == text


def test_line_ends_and_what_cannot_be_kept(reader: Reader, tmp_path: Path) -> None:
    path = files.written(tmp_path, b"one\r\ntwo\rthree\x0cfour\n\n\nfive\n", "a.txt")
    parsed = reader.read(path, "a.txt")
    assert parsed.text == "one\ntwo\nthree\nfour\n\n\nfive\n"
    assert said(parsed) == [("paragraph", "one\ntwo\nthree\nfour"), ("paragraph", "five")]


def test_markdown(reader: Reader, tmp_path: Path) -> None:
    text = "# Title\n\nWords.\n\n| a |\n|---|\n| 1 |\n\n```\n# no heading\n```\n- x\n- y\n\n[l]: http://x\n"
    parsed = reader.read(files.markdown(tmp_path, text), "made.md")
    assert parsed.title == "Title"
    assert parsed.media_type == "text/markdown"
    assert said(parsed) == [
        ("heading", "# Title"),
        ("paragraph", "Words."),
        ("table", "| a |\n|---|\n| 1 |"),
        ("code", "```\n# no heading\n```"),
        ("list", "- x\n- y"),
        ("paragraph", "[l]: http://x"),
    ]


def test_pdf(reader: Reader, tmp_path: Path) -> None:
    pages = [f"Intro\n{CHINESE * 3}", "", f"Second part\n{ENGLISH}\nEnd."]
    outline = [(0, 1, "Intro"), (1, 3, "Second  part")]
    path = files.pdf(tmp_path, pages, title="标题", outline=outline)
    parsed = reader.read(path, "x.txt")
    assert parsed.media_type == "application/pdf"
    assert parsed.title == "标题"
    assert parsed.text == f"Intro\n{CHINESE * 3}\n\f\n\fSecond part\n{ENGLISH}\nEnd."
    assert [parsed.text[begin - 2 : begin] for begin in parsed.pages[1:]] == ["\n\f"] * 2
    assert [(block.kind, block.level, block.page) for block in parsed.blocks] == [
        ("heading", 1, 1),
        ("paragraph", 0, 1),
        ("heading", 2, 3),
        ("paragraph", 0, 3),
        ("paragraph", 0, 3),
    ]
    assert [(note.code, note.params["pages"]) for note in parsed.notes] == [
        ("pages_without_text", "2")
    ]


def test_every_letter_of_a_page_leads_back_to_where_it_is_drawn() -> None:
    drawn = (
        "  The ﬁrst line is full of many words of a sen\x02\r\ntence; "
        "然后是中文的一行文字\r\n⽂字\r\n1. x\x00y \r\n"
    )
    changes = pagetext.edits(drawn)
    text = pagetext.applied(drawn, changes)
    origins = pagetext.origins(drawn, changes)
    assert text == (
        "The first line is full of many words of a sentence; 然后是中文的一行文字\n文字\n1. xy"
    )
    assert len(origins) == len(text)
    for letter, (start, end) in zip(text, origins, strict=True):
        assert drawn[start:end] == letter or drawn[start:end] in ("ﬁ", "⽂", "\r\n")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b" \n\t\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "unknown_type"),
        (b"%PDF-1.7\nnothing more", "broken"),
        (b"<html>%PDF-1.7\nneither the one nor the other", "broken"),
    ],
)
def test_broken_files(reader: Reader, tmp_path: Path, content: bytes, code: str) -> None:
    path = files.written(tmp_path, content, "a.pdf")
    with pytest.raises(Unreadable) as problem:
        reader.read(path, "a.pdf")
    assert problem.value.code == code
    assert reader.read(files.written(tmp_path, b"fine", "b.txt"), "b.txt").text == "fine"


def test_scanned_pdf(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(Unreadable) as problem:
        reader.read(files.pdf(tmp_path, ["", ""]), "scan.pdf")
    assert problem.value.code == "no_text"
