"""The block at the end of an answer that is still being written, as it will look when it is whole.

Half of a table's head is a table, half of a link is its text, and a line whose meaning nobody knows
yet (`-` under a paragraph would make it a heading) waits for its next letters.
"""

import re
from collections.abc import Sequence

from markdown_it.token import Token

from chat.marking import without_half

VERBATIM = {"fence", "code_block", "formula"}
# Marks without a word: of a list, a heading, a rule, a quote, a fence, a formula.
UNDECIDED = re.compile(
    r"[ \t]*(?:[-=*+#>`~_ ]+|[$\\]|\d{1,9}[.)]?[ \t]*|[-*+][ \t]+\[[ xX]?\]?[ \t]*)\Z"
)
UNDECIDED_CHARS = 20
HALF_LINK = re.compile(r"!?\[([^\[\]\n]*)\](?:\([^()\n]*)\Z")
DELIMITER = re.compile(r"[-:| \t]*")
BOLD = re.compile(r"(?<!\*)\*\*(?!\*)")
CELL = re.compile(r"(?<!\\)\|")


def completed(text: str, tokens: Sequence[Token], *, has_sources: bool = False) -> str:
    """`text` with its end closed; `tokens` are what it is now. `has_sources`: half a number of one
    waits for the rest of it."""
    inside = [token.type for token in tokens if token.nesting >= 0]
    if not inside or inside[-1] in VERBATIM:
        return text
    text = _without_undecided(text)
    text = without_half(text) if has_sources else text
    if tokens[-1].type == "paragraph_close" and tokens[-1].level == 0:
        table = _half_table(text)
        if table is not None:
            return table
    return _marks_closed(HALF_LINK.sub(lambda found: found[1], text))


def _without_undecided(text: str) -> str:
    head, newline, last = text.rpartition("\n")
    is_undecided = len(last) <= UNDECIDED_CHARS and UNDECIDED.fullmatch(last)
    return head + newline if is_undecided else text


def _half_table(text: str) -> str | None:
    """A head alone, or with a part of the line below it, gets that line."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) > 1 and lines[-2].lstrip().startswith("|") and DELIMITER.fullmatch(lines[-1]):
        lines.pop()
    head = lines[-1].strip()
    if not head.startswith("|"):
        return None
    if len(lines) > 1 and lines[-2].lstrip().startswith("|"):
        return None
    inner = head[1:].removesuffix("|")
    columns = len(CELL.split(inner))
    lines[-1] = f"|{inner}|"
    return "\n".join([*lines, "|" + "---|" * columns])


def _marks_closed(text: str) -> str:
    """Code and bold that were opened in the last lines and not closed."""
    start = max(text.rfind("\n\n"), 0)
    head, end = text[:start], text[start:]
    parts = end.split("`")
    if len(parts) % 2 == 0:
        # An odd number of backticks: the last one opened code, in which nothing else acts.
        return head + (end + "`" if parts[-1].strip() else "`".join(parts[:-1]))
    # What stands in code is no mark.
    if sum(len(BOLD.findall(part)) for part in parts[::2]) % 2:
        end = end.rstrip()
        return head + (end.removesuffix("**") if end.endswith("**") else end.rstrip("*") + "**")
    return text
