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


def test_word(reader: Reader, tmp_path: Path) -> None:
    parts = [
        *(("Heading1", "Guide"), ("", "Words  of\tit."), ("Heading2", "Steps")),
        *(("List", "first"), ("List", "second"), ("", "Then & now.")),
        [["name", "n"], ["a|b", "1"]],
    ]
    parsed = reader.read(files.docx(tmp_path, parts, title="A title"), "renamed.pdf")
    assert parsed.title == "A title"
    assert [(block.kind, block.level) for block in parsed.blocks if block.level] == [
        ("heading", 1),
        ("heading", 2),
        ("table", 2),
    ]
    assert said(parsed) == [
        ("heading", "Guide"),
        ("paragraph", "Words  of\tit."),
        ("heading", "Steps"),
        ("list", "- first\n- second"),
        ("paragraph", "Then & now."),
        ("table", "| name | n |\n| --- | --- |\n| a\\|b | 1 |"),
    ]


def test_excel(reader: Reader, tmp_path: Path) -> None:
    sheets = {
        "员工": [["Staff of 2026"], ["姓名", "年龄"], ["张三", 30.0], ["", ""], ["李四", 2.5]],
        "Empty": [],
        "More": [["a", "", "c"], ["1", "2", "3", "4"]],
    }
    parsed = reader.read(files.xlsx(tmp_path, sheets), "made.xlsx")
    assert said(parsed) == [
        ("heading", "员工"),
        ("paragraph", "Staff of 2026"),
        ("table", "姓名; 年龄\n姓名: 张三; 年龄: 30\n姓名: 李四; 年龄: 2.5"),
        ("heading", "More"),
        ("table", "a; B; c; D\na: 1; B: 2; c: 3; D: 4"),
    ]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_csv(reader: Reader, tmp_path: Path, sign: str) -> None:
    rows = [["名称", "note"], ["甲", '"two\nlines, and more"'], ["乙", "x"]]
    content = "\r\n".join(sign.join(row) for row in rows).encode("gb18030")
    parsed = reader.read(files.written(tmp_path, content, "a.csv"), "a.csv")
    assert parsed.text == ("名称; note\n名称: 甲; note: two lines, and more\n名称: 乙; note: x")


def test_html(reader: Reader, tmp_path: Path) -> None:
    body = """
      <nav><a href="/">Home</a></nav><script>alert(1)</script><style>p { }</style>
      <h1>A <em>guide</em></h1>
      <p>Some <b>bold</b>
         text<br>and more.</p>
      Loose words <div>in a division<p>and a paragraph</div> after it
      <ul><li>one<ul><li>inner</li></ul></li><li><p>two</p></li></ul>
      <pre>def f():\n    return 1</pre>
      <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2 <i>x</i></td></tr></table>
      <table><tr><td><h2>Laid out</h2><p>by a table</p></td></tr></table>
      <!-- a remark -->
    """
    parsed = reader.read(files.html(tmp_path, body, title="标题 1"), "a.txt")
    assert parsed.title == "标题 1"
    assert said(parsed) == [
        ("heading", "A guide"),
        ("paragraph", "Some bold text\nand more."),
        ("paragraph", "Loose words"),
        ("paragraph", "in a division"),
        ("paragraph", "and a paragraph"),
        ("paragraph", "after it"),
        ("list", "- one\n  - inner\n- two"),
        ("code", "def f():\n    return 1"),
        ("table", "| a | b |\n| --- | --- |\n| 1 | 2 x |"),
        ("heading", "Laid out"),
        ("paragraph", "by a table"),
    ]


@pytest.mark.parametrize("encoding", ["gb2312", "big5", "utf-8"])
def test_html_says_its_encoding(reader: Reader, tmp_path: Path, encoding: str) -> None:
    page = f"<html><head><meta charset={encoding}></head><body><p>中文</p></body></html>"
    path = files.written(tmp_path, page.encode(encoding), "a.html")
    assert reader.read(path, "a.html").text == "中文"
