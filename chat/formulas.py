r"""LaTeX in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` on their own, as MathML.

What is no formula, or a broken one, stays as it was typed; so do amounts of money.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape, unescape
from xml.etree import ElementTree

from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MAX_CHARS = 4000
CLOSE = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
# A dollar opens before and closes after something that is not a space; no digit or Latin letter
# touches it from outside, as in "US$5", "$5-$10" or "$HOME/$USER".
INLINE = re.compile(r"(?<![0-9A-Za-z\\$])\$(?![\s$])((?:\\.|[^\\$\n])+)(?<!\s)\$(?![0-9A-Za-z$])")
# "$5 is less than 6$" would still be one.
AMOUNT = re.compile(r"\d[\d.,]*\s*[kKmMbB%]?\s+[A-Za-z]{2,}")
# Environments that the converter does not know, as ones that it does; no numbers in a chat.
ENVIRONMENTS = {
    **dict.fromkeys(("align", "aligned", "eqnarray", "eqnarray*", "flalign", "flalign*"), "align*"),
    **dict.fromkeys(("gather", "gather*", "gathered", "multline", "multline*"), "matrix"),
    **{"dcases": "cases", "equation": "", "equation*": ""},
}
EDGE = re.compile(r"\\(begin|end)\{([a-z]+\*?)\}")


def _known(latex: str) -> str:
    """With environments that the converter knows; lines of their own are an environment too."""

    def renamed(found: re.Match[str]) -> str:
        name = ENVIRONMENTS.get(found[2], found[2])
        return f"\\{found[1]}{{{name}}}" if name else ""

    if "\\\\" in latex and not EDGE.search(latex):
        return f"\\begin{{matrix}}{latex}\\end{{matrix}}"
    return EDGE.sub(renamed, latex)


@lru_cache(maxsize=2048)
def mathml(latex: str, *, is_block: bool) -> str | None:
    """None for what cannot be shown as a formula."""
    if not latex.strip() or len(latex) > MAX_CHARS:
        return None
    try:
        root = Converter(display="block" if is_block else "inline").convert_to_element(
            _known(latex)
        )
    except Exception:  # noqa: BLE001  # a parser of foreign text: too deep, too short, anything
        return None
    for element in root.iter():
        # Texts hold references, and whatever was typed, unescaped.
        element.text = unescape(element.text or "") or None
        if element.tag == "mi" and element.text and element.text[0] in "\\{}&":
            return None  # a command or an environment that is not known, a brace too many
    return ElementTree.tostring(root, encoding="unicode")


def typed(text: str) -> str:
    """A formula that is still being written: its letters, with nothing in them acting."""
    return f'<span class="formula-open">{escape(text)}</span>'


def _inline(state: StateInline, silent: bool) -> bool:
    start = state.pos
    opening = state.src[start : start + 2]
    if opening in CLOSE:
        return _delimited(state, opening, silent)
    found = INLINE.match(state.src, start) if opening[:1] == "$" else None
    if found is None or AMOUNT.match(found[1]):
        return False
    return _push(state, found[0], found[1], is_block=False, silent=silent)


def _delimited(state: StateInline, opening: str, silent: bool) -> bool:
    start = state.pos
    end = state.src.find(CLOSE[opening], start + 2, start + MAX_CHARS)
    if end > 0:
        whole, latex = state.src[start : end + 2], state.src[start + 2 : end]
        return _push(state, whole, latex, is_block=opening != "\\(", silent=silent)
    if not state.env.get("is_growing") or state.posMax - start > MAX_CHARS:
        return False
    if not silent:
        state.push("html_inline", "", 0).content = typed(state.src[start : state.posMax])
    state.pos = state.posMax
    return True


def _push(state: StateInline, whole: str, latex: str, *, is_block: bool, silent: bool) -> bool:
    if state.pos + len(whole) > state.posMax:
        return False
    html = mathml(latex, is_block=is_block)
    if html is None and latex.strip():
        html = escape(whole)
    if html is None:
        return False
    if not silent:
        state.push("html_inline", "", 0).content = html
    state.pos += len(whole)
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines from one that begins with an opening to one that ends with its closing, none empty."""
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    opening = first[:2]
    if opening not in ("$$", "\\["):
        return False
    last, is_open = _last_line(state, start, end, opening)
    if last is None or (is_open and not state.env.get("is_growing")):
        return False
    if silent:
        return True
    whole = state.getLines(start, last + 1, state.blkIndent, False).strip()
    if len(whole) > MAX_CHARS:
        return False
    state.line = last + 1
    token = state.push("formula", "", 0)
    token.map, token.meta = [start, state.line], {"is_open": is_open}
    html = None if is_open else mathml(whole[2:-2], is_block=True)
    token.content = html or (typed(whole) if is_open else escape(whole))
    return True


def _last_line(state: StateBlock, start: int, end: int, opening: str) -> tuple[int | None, bool]:
    """Where the formula ends, and whether that is only because there is no more text yet."""
    closing = CLOSE[opening]
    for line in range(start, end):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()
        body = text[2:] if line == start else text
        if body.endswith(closing) and closing not in body[: -len(closing)]:
            return line, False
        # A closing in the middle of a line: for the rule of formulas in a line. One that begins
        # within another: neither is one, or thousands of them would be looked through to the end.
        if not text or closing in body or body.startswith(opening):
            return None, False
        if line > start and state.sCount[line] < state.blkIndent:
            return None, False
    return end - 1, end == len(state.bMarks) - 1


def _formula(tokens: Sequence[Token], index: int, options: object, env: object) -> str:
    return f'<div class="formula">{tokens[index].content}</div>\n'


def formulas(parser: MarkdownIt) -> None:
    """The plugin."""
    parser.inline.ruler.before("escape", "formula", _inline)
    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("blockquote", "formula", _block, {"alt": interrupts})
    parser.renderer.rules["formula"] = _formula  # type: ignore[attr-defined]
