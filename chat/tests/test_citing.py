"""Numbers of sources and marked sentences in an answer's HTML."""

import re

import pytest

from chat.citing import cited
from chat.marking import CLOSE, OPEN
from chat.rendering import StreamRenderer, render
from chat.tests.test_rendering import HOSTILE
from knowledge.supporting import unsupported

CITE = re.compile(r'<span class="cite-(\d+)"></span>')


def numbers(html: str) -> list[str]:
    return CITE.findall(html)


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("Yes [1].", ["1"]),
        ("Yes[1][2]。", ["1", "2"]),
        ("Yes [1, 2] and [1，2].", ["1", "2", "1", "2"]),
        ("**Yes [1]**", ["1"]),
        ("- item【2】", ["2"]),
        ("| a |\n|---|\n| b [1] |", ["1"]),
        ("# Heading [2]", ["2"]),
        ("`a[1]`", []),
        ("```\na[1]\n```", []),
        ("    a[1]", []),
        ("[1](https://example.com)", []),
        ("[see [1]](https://example.com)", []),
        ("[x][1]\n\n[1]: https://example.com", []),
        ("$a[1]$", []),
        ("No [3], [0], [1234] or [one].", []),
        ("[x] 1]", []),
    ],
)
def test_numbers_that_exist_become_citations(markdown: str, found: list[str]) -> None:
    assert numbers(render(markdown, 2)) == found


def test_numbers_that_do_not_exist_stay_text() -> None:
    assert render("Yes [1, 9].", 2) == '<p>Yes<span class="cite-1"></span>[9].</p>\n'
    assert cited("Yes [1, 9]. `[2]`", 2) == {1}


def test_without_sources_nothing_is_a_citation() -> None:
    assert render("Yes [1].") == "<p>Yes [1].</p>\n"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_sources_let_nothing_else_in(hostile: str) -> None:
    assert CITE.sub("[1]", render(hostile, 1)) == render(hostile)


def test_a_model_cannot_write_the_marks_itself() -> None:
    written = '<span class="cite-1"></span> <span class="unsupported">x</span>'
    assert "<span" not in render(written, 2)
    assert render(f"{OPEN}x{CLOSE} y.", 1, ((0, 5, 0.1),)) == f"<p>{OPEN}x{CLOSE} y.</p>\n"


def mark(markdown: str) -> str:
    claims = tuple((c.start, c.end, c.support) for c in unsupported(markdown, ["nothing"]))
    return render(markdown, 1, claims)


def test_a_sentence_is_marked_between_its_tags() -> None:
    html = mark("The nice **canteen serves soup. Every** Friday `at noon` there is cake [1].")
    parts = re.findall(r'<span class="unsupported">(.*?)</span>', html)
    assert parts[:3] == ["The nice ", "canteen serves soup.", "Every"]
    assert "<strong><span" in html and "</span></strong>" in html
    assert '<span class="unsupported"><code>at noon</code></span>' in html


@pytest.mark.parametrize(
    "markdown",
    [
        "- The canteen serves soup on Friday.\n- [x] Cake is served on every Monday morning.",
        "1. The canteen serves soup on Friday.\n2. Cake is served on Monday morning.",
        "> The canteen serves soup on Friday.",
        "**The canteen serves soup on Friday.**",
        "*食堂每周五供应三道菜的午餐。* 下一句没有任何依据可查。",
        "The big canteen serves soup daily. The canteen serves $x = 1. y$ soup on Friday.",
        "See [the canteen. It serves soup](https://example.com) on every Friday.",
    ],
)
def test_marks_change_nothing_else(markdown: str) -> None:
    html = mark(markdown)
    assert 'class="unsupported"' in html
    without = re.sub(r'<span class="unsupported">(.*?)</span>', r"\1", html)
    assert without == render(markdown, 1)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_numbers_while_it_is_written(step: int) -> None:
    text = "First [1].\n\n- second [1, 2]\n- third [2]\n\nEnd [1]."
    renderer, shown = StreamRenderer(2), ""
    for at in range(0, len(text), step):
        settled, tail = renderer.feed(text[at : at + step])
        shown += settled
        assert not re.search(r"[\[\]]", shown + tail)
    assert numbers(shown + (renderer.rest(text) or "")) == ["1", "1", "2", "2", "1"]
