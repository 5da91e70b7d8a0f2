"""Prompts as a source gives them: what their columns and keys are called, what keeps a line from
being one.

Objects are {"prompt", "reference"?, "system"?} under any of the names below, or have OpenAI's
`messages`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from llmplatform.text import UNSTORABLE

PROMPTS_MAX, PROMPT_CHARS = 2000, 50_000
PROBLEMS_KEPT = 50
PROMPT_NAMES = ("prompt", "question", "instruction", "text", "提示词", "问题", "指令")
INPUT_NAMES = ("input", "输入")
REFERENCE_NAMES = (
    *("reference", "answer", "expected", "output", "response"),
    *("参考答案", "答案", "期望", "输出"),
)
ROLES = ("system", "user", "assistant")
Before = tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Question:
    """`before`: {"role", "content"} of what is sent ahead of `text`."""

    text: str
    reference: str = ""
    before: Before = ()


@dataclass
class Reading:
    """What a source holds, and by line or record why something of it is left out."""

    questions: list[Question] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def take(self, line: int, row: object) -> None:
        """`row`: a Question, or what `question_of` makes one of."""
        try:
            question = checked(row if isinstance(row, Question) else question_of(row))
        except Unusable as error:
            self.problems.append((line, str(error)))
        else:
            self.questions.append(question)


class Unusable(Exception):
    """Says why a line is no prompt."""


def question_of(row: object) -> Question:
    """Raises Unusable."""
    if isinstance(row, str):
        return Question(row)
    if not isinstance(row, Mapping):
        raise Unusable(_("This is neither a text nor an object."))
    named = {str(name).strip().casefold(): value for name, value in row.items() if name}
    if "messages" in named:
        return _of_messages(named["messages"])
    text, more = _text(named, PROMPT_NAMES), _text(named, INPUT_NAMES)
    both = "\n".join(part for part in (text, more) if part.strip())
    system = _text(named, ("system",))
    before: Before = ({"role": "system", "content": system},) if system.strip() else ()
    return Question(both, _text(named, REFERENCE_NAMES), before)


def _text(named: Mapping[str, Any], names: Iterable[str]) -> str:
    value = next((named[name] for name in names if named.get(name) not in (None, "")), "")
    if isinstance(value, str | int | float):
        return str(value)
    raise Unusable(_("A prompt, a reference and a system prompt are texts."))


def _of_messages(turns: Any) -> Question:
    fits = isinstance(turns, list) and all(
        isinstance(turn, Mapping)
        and turn.get("role") in ROLES
        and isinstance(turn.get("content"), str)
        for turn in turns
    )
    asked = [n for n, turn in enumerate(turns) if turn["role"] == "user"] if fits else []
    if not asked:
        text = _("“messages” is a list of texts by system, user and assistant, one by user.")
        raise Unusable(text)
    last = asked[-1]
    before = tuple({"role": t["role"], "content": t["content"]} for t in turns[:last])
    reference = next((t["content"] for t in turns[last + 1 :] if t["role"] == "assistant"), "")
    return Question(turns[last]["content"], reference, before)


def checked(question: Question) -> Question:
    """Raises Unusable."""
    if not question.text.strip():
        raise Unusable(_("There is no prompt in this line."))
    texts = (question.text, question.reference, *(turn["content"] for turn in question.before))
    if any(len(text) > PROMPT_CHARS for text in texts):
        raise Unusable(_("Longer than %(count)d characters.") % {"count": PROMPT_CHARS})
    if any(UNSTORABLE.search(text) for text in texts):
        raise Unusable(_("The text contains characters that cannot be stored."))
    return Question(question.text.strip(), question.reference.strip(), question.before)
