"""What is drawn into an answer's text: numbers of its sources, and sentences these do not bear out.

A sentence is marked in the Markdown by two signs that no model writes, which count as punctuation
and so leave the emphasis around them alone; then text by text in what was parsed, so that a mark
never crosses a tag.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

OPEN, CLOSE = "\u2e28", "\u2e29"
SIGNS = re.compile(f"[{OPEN}{CLOSE}]")
CITE_CLASS = re.compile(r"cite-\d{1,3}")
UNSUPPORTED = "unsupported"
_CITATION = re.compile(r" ?[\[【]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】]")
_PIECES = re.compile(f"([{OPEN}{CLOSE}])")
# The beginning of a line that is Markdown and no words: of a list, a quote, a task.
_LEAD = re.compile(r"(?:[ \t]|[-*+>][ \t]+|\d{1,9}[.)][ \t]+|\[[ xX]\][ \t]+)*")
_HALF = re.compile(r" ?[\[【][\d,，、 ]{0,11}\Z")


def signed(markdown: str, claims: Sequence[Sequence[float]]) -> str:
    """With a sign at both ends of each claim, [start, end, …] in characters."""
    if not claims or SIGNS.search(markdown):
        return markdown
    parts, at = [], 0
    for claim in claims:
        start, end = int(claim[0]), int(claim[1])
        text = markdown[start:end].rstrip()
        lead = _LEAD.match(text)
        skipped = lead.end() if lead else 0
        if start < at or skipped >= len(text):
            continue
        parts += [markdown[at : start + skipped], OPEN, text[skipped:], CLOSE]
        at = start + len(text)
    return "".join([*parts, markdown[at:]])


def without_half(text: str) -> str:
    """Without a citation at its end that is still being written."""
    return _HALF.sub("", text)


def marks(parser: MarkdownIt) -> None:
    """`env["sources"]`: how many numbers exist; without it nothing is drawn. `env["is_signed"]`:
    the signs are ours."""
    parser.core.ruler.push("marks", _draw)
    rules = {"citation": _citation, "claim_open": _claim_open, "claim_close": _claim_close}
    parser.renderer.rules |= rules  # type: ignore[attr-defined]


def _citation(tokens: Sequence[Token], index: int, *args: object) -> str:
    return f'<span class="cite-{tokens[index].meta["number"]}"></span>'


def _claim_open(*args: object) -> str:
    return f'<span class="{UNSUPPORTED}">'


def _claim_close(*args: object) -> str:
    return "</span>"


def _draw(state: StateCore) -> None:
    count = state.env.get("sources", 0)
    for token in state.tokens if count else ():
        if token.type == "inline" and token.children:
            is_signed = state.env.get("is_signed", False)
            token.children = list(_drawn(token.children, count, is_signed))


def _drawn(children: Sequence[Token], count: int, is_signed: bool) -> Iterator[Token]:
    links, is_marked = 0, False
    for child in children:
        links += {"link_open": 1, "link_close": -1}.get(child.type, 0)
        if child.type == "text":
            for piece in _PIECES.split(child.content) if is_signed else [child.content]:
                if piece in (OPEN, CLOSE):
                    is_marked = piece == OPEN
                elif piece:
                    yield from _around(_cited(piece, 0 if links else count), is_marked)
        elif child.type == "code_inline" and is_signed:
            signs = SIGNS.findall(child.content)
            child.content = SIGNS.sub("", child.content)
            yield from _around([child], is_marked or bool(signs))
            is_marked = signs[-1] == OPEN if signs else is_marked
        else:
            yield child


def _around(tokens: Sequence[Token], is_marked: bool) -> Iterator[Token]:
    if is_marked:
        yield Token("claim_open", "", 1)
    yield from tokens
    if is_marked:
        yield Token("claim_close", "", -1)


def _cited(text: str, count: int) -> list[Token]:
    """The text with its numbers as tokens of their own; those that do not exist stay text."""
    found: list[Token] = []
    at = 0
    for match in _CITATION.finditer(text) if count else ():
        numbers = [int(number) for number in re.findall(r"\d+", match[1])]
        if not any(0 < number <= count for number in numbers):
            continue
        found.append(_text(text[at : match.start()]))
        for number in numbers:
            is_known = 0 < number <= count
            one = Token("citation", "", 0, meta={"number": number})
            found.append(one if is_known else _text(f"[{number}]"))
        at = match.end()
    found.append(_text(text[at:]))
    return [token for token in found if token.content or token.type == "citation"]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)
