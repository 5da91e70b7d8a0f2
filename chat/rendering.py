"""Model output becomes HTML here and nowhere else: render, then sanitise, then show.

HTML in the Markdown stays text, links go to http(s) and mail only, images are shown as links: a
model that writes `![](https://elsewhere/?secret)` must not make a browser call there.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from chat.formulas import formulas
from chat.growing import completed
from chat.marking import CITE_CLASS, SIGNS, UNSUPPORTED, marks, signed

MATH_TAGS = {
    *("math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mstyle"),
    *("msub", "msup", "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts"),
    *("mtable", "mtr", "mtd", "mpadded", "mphantom", "menclose", "none"),
}
TAGS = MATH_TAGS | {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "strong", "em", "s", "del"),
    *("ul", "ol", "li", "pre", "code", "span", "div", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td", "a"),
}
CLASSES = {"code-block", "long", "code-head", "table-scroll", "plain", "formula"}
SPAN_CLASSES = {"formula-open", UNSUPPORTED}
TASK_BOXES = {"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "}
LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
# What Pygments calls its tokens: at most a few letters and digits.
TOKEN_CLASS = re.compile(r"[a-z][a-z0-9]{0,4}")
ATTRIBUTES = {
    "a": {"href", "title"},
    "span": {"class"},
    "div": {"class"},
    "ol": {"start"},
    "code": {"class"},
    "th": {"align"},
    "td": {"align"},
    "pre": {"class"},
    "math": {"display"},
    "mo": {"stretchy", "fence", "form", "accent", "movablelimits", "lspace", "rspace", "minsize"},
    "mi": {"mathvariant"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mspace": {"width"},
    "mfrac": {"linethickness"},
    "mover": {"accent"},
    "munder": {"accentunder"},
    "mtable": {"displaystyle"},
    "mtd": {"columnalign"},
    "menclose": {"notation"},
}
# Of a formula's space or sign: at most a hand wide, so that nothing lands on other parts of a page.
LENGTH = re.compile(r"-?\d?\d?\.?\d{0,4}(em|ex|pt|px|mu|%)?")
LENGTHS = {"width", "lspace", "rspace", "minsize", "linethickness"}
_SPANS = re.compile(r"</?span\b[^>]*>")
# Sentences whose marks are tried one by one.
CLAIMS_TRIED = 20
# Longer code is folded.
LONG_LINES = 40
# The first letters of the line that ends a block of code.
HALF_FENCE = re.compile(r"(?:\A|(?<=\n))[ \t]*(?:`{1,2}|~{1,2})\Z")
# Highlighting is for reading; a huge block is shown plain rather than slowly.
HIGHLIGHT_MAX_CHARS = 60_000
RENDER_MAX_CHARS = 400_000
# One block this long is shown as text until the answer is complete.
OPEN_MAX_CHARS = 40_000


def _highlighted(code: str, language: str) -> str:
    try:
        lexer = get_lexer_by_name(language) if language else None
    except ClassNotFound:
        lexer = None
    if lexer is None or len(code) > HIGHLIGHT_MAX_CHARS:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _fence(tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    words = token.info.split()
    language = words[0][:40] if words else ""
    # A block that is still being written is coloured once, when it is complete.
    is_growing = isinstance(env, dict) and env.get("is_growing") and index == len(tokens) - 1
    if is_growing:
        body = escape(HALF_FENCE.sub("", token.content))
    else:
        body = _highlighted(token.content, language)
    is_long = not is_growing and token.content.count("\n") > LONG_LINES
    head = f'<div class="code-head"><span>{escape(language)}</span></div>'
    kind = "code-block long" if is_long else "code-block"
    return f'<div class="{kind}">{head}<pre><code>{body}</code></pre></div>\n'


def _image(tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    token = tokens[index]
    address = escape(str(token.attrs.get("src", "")), quote=True)
    return f'<a href="{address}">{escape(token.content) or address}</a>'


def _table_open(*args: object) -> str:
    return '<div class="table-scroll"><table>\n'


def _table_close(*args: object) -> str:
    return "</table></div>\n"


def _align(state: StateCore) -> None:
    """A column's side as an attribute: styles do not survive the policy."""
    for token in state.tokens:
        style = str(token.attrs.pop("style", ""))
        if style.startswith("text-align:"):
            token.attrs["align"] = style.removeprefix("text-align:")


def _tasks(state: StateCore) -> None:
    """`- [ ] text` with a box drawn as text: nobody could tick it here."""
    kinds = [token.type for token in state.tokens]
    for index, token in enumerate(state.tokens):
        is_first = kinds[max(0, index - 2) : index] == ["list_item_open", "paragraph_open"]
        text = token.children[0] if is_first and token.children else None
        if text is not None and text.content[:4] in TASK_BOXES:
            text.content = TASK_BOXES[text.content[:4]] + text.content[4:]


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("js-default", {"html": False, "linkify": False, "breaks": True})
    parser.enable(["table", "strikethrough"])
    parser.renderer.rules |= {  # type: ignore[attr-defined]
        "fence": _fence,
        "image": _image,
        "table_open": _table_open,
        "table_close": _table_close,
    }
    formulas(parser)
    parser.core.ruler.push("align", _align)
    parser.core.ruler.push("tasks", _tasks)
    marks(parser)
    parser.options["maxNesting"] = 40
    return parser


def _is_span_class(word: str) -> bool:
    return bool(TOKEN_CLASS.fullmatch(word) or CITE_CLASS.fullmatch(word))


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        words = value.split()
        if tag == "span":
            kept = [w for w in words if w in SPAN_CLASSES or _is_span_class(w)]
        else:
            kept = [word for word in words if word in CLASSES]
        return " ".join(kept) or None
    if name in LENGTHS and not LENGTH.fullmatch(value):
        return None
    # A relative address would be one of this platform, which no model should send people to.
    if name == "href" and not LINK.match(value):
        return None
    return value


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        strip_comments=True,
    )


def _plain(text: str) -> str:
    return f'<pre class="plain">{escape(text)}</pre>'


@lru_cache(maxsize=1024)
def render(markdown: str, sources: int = 0, claims: Sequence[Sequence[float]] = ()) -> str:
    """Safe HTML of a model's Markdown. Of an answer with `sources` their numbers, and the `claims`
    that they do not bear out, are spans for chat.citing to draw."""
    if len(markdown) > RENDER_MAX_CHARS:
        return _plain(markdown)
    plain = _clean(_parser().render(markdown, {"sources": sources}))
    if not claims or SIGNS.search(markdown):
        return plain
    wanted = _SPANS.sub("", plain)
    html = _marked(markdown, sources, claims)
    if _SPANS.sub("", html) != wanted:
        # One begins or ends where its sign means something, as in a formula.
        few = claims[:CLAIMS_TRIED]
        harmless = [c for c in few if _SPANS.sub("", _marked(markdown, sources, [c])) == wanted]
        html = _marked(markdown, sources, harmless)
    return html


def _marked(markdown: str, sources: int, claims: Sequence[Sequence[float]]) -> str:
    env = {"sources": sources, "is_signed": True}
    return SIGNS.sub("", _clean(_parser().render(signed(markdown, claims), env)))


class StreamRenderer:
    """Renders an answer while it is written, each finished block once.

    Only the block at the end, which can still change, is rendered again with new text. `sources`:
    as for `render`.
    """

    def __init__(self, sources: int = 0) -> None:
        self._sources = sources
        self._open = ""
        self._seen: list[str] = []
        self._length = 0
        self._references: dict[str, object] = {}

    @property
    def open_chars(self) -> int:
        return len(self._open)

    def feed(self, text: str) -> tuple[str, str]:
        """`text` was appended: HTML of blocks that are now final, HTML of the one at the end."""
        self._open += text
        self._seen.append(text)
        self._length += len(text)
        if self._length > RENDER_MAX_CHARS or len(self._open) > OPEN_MAX_CHARS:
            return "", _plain(self._open)
        tokens = self._parse()
        settled = self._settle(self._sure_starts(tokens))
        if settled:
            tokens = self._parse()
        whole = completed(self._open, tokens, has_sources=bool(self._sources))
        if whole != self._open:
            tokens = _parser().parse(whole, self._growing())
        parser = _parser()
        tail = parser.renderer.render(tokens, parser.options, {"is_growing": True})
        return settled, _clean(tail)

    def rest(self, content: str) -> str | None:
        """HTML that makes what was settled the whole answer, which is `content`; None where only
        rendering it anew does: it is not what was fed, or names the address of an earlier link."""
        seen = "".join(self._seen)
        self._open += content[len(seen) :]
        html = _clean(_parser().render(self._open, self._whole()))
        is_anew = self._references or len(content) > RENDER_MAX_CHARS
        return None if is_anew or not content.startswith(seen) else html

    def _growing(self) -> dict[str, object]:
        return {**self._whole(), "is_growing": True, "references": dict(self._references)}

    def _whole(self) -> dict[str, object]:
        return {"references": self._references, "sources": self._sources}

    def _parse(self) -> list[Token]:
        return _parser().parse(self._open, self._growing())

    def _sure_starts(self, tokens: Sequence[Token]) -> list[int]:
        """A formula that is never closed will have been ordinary lines, perhaps of the paragraph
        before it."""
        last = next((token for token in reversed(tokens) if token.level == 0), None)
        if last is None or last.map is None or not last.meta.get("is_open"):
            return _starts(tokens)
        plain = _parser().parse(self._open, self._growing() | {"is_growing": False})
        return [start for start in _starts(plain) if start <= last.map[0]]

    def _settle(self, starts: list[int]) -> str:
        """Cut the finished blocks off `_open`; their HTML.

        What follows them must have a whole line: `2` can become an item of the list before it.
        """
        if starts and self._open.count("\n") <= starts[-1]:
            starts = starts[:-1]
        if len(starts) < 2:
            return ""
        lines = self._open.split("\n")
        done = "\n".join(lines[: starts[-1]]) + "\n"
        self._open = "\n".join(lines[starts[-1] :])
        return _clean(_parser().render(done, self._whole()))


def _starts(tokens: Sequence[Token]) -> list[int]:
    """The first lines of the blocks."""
    return [t.map[0] for t in tokens if t.level == 0 and t.map and t.nesting >= 0]
