"""Prompts of a batch comparison: typed lines, a dataset, a prompt of the library with values."""

from collections.abc import Mapping, Sequence

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from chat.batches.files import table
from chat.batches.questions import Question, Reading
from llmplatform.text import enumerated
from prompts.models import Prompt
from prompts.services import fill_in_each
from training.models import Dataset
from training.services import questions_of

SEPARATOR = "=>"


def from_lines(text: str) -> Reading:
    """What somebody typed: a prompt a line, and behind `=>` its reference."""
    reading = Reading()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            prompt, _sign, reference = line.partition(SEPARATOR)
            reading.take(number, {"prompt": prompt, "reference": reference})
    return reading


def from_dataset(dataset: Dataset, *, limit: int) -> Reading:
    """The last question of each of the first `limit` records; problems by record."""
    if not dataset.has_file:
        text = _("The file of this dataset is missing.")
        raise ValidationError({"dataset": [text]})
    reading = Reading()
    for number, asked in enumerate(questions_of(dataset, limit=limit), 1):
        if asked is None:
            text = _(
                "This record asks nothing in text alone: it is plain text, or has pictures or "
                "tools."
            )
            reading.problems.append((number, text))
            continue
        before = tuple({"role": role, "content": said} for role, said in asked.before)
        reading.take(number, Question(asked.text, asked.expected, before))
    return reading


def from_prompt(prompt: Prompt, values: str) -> Reading:
    """`values`: CSV whose heading names the prompt's variables; a further column `reference`."""
    try:
        found = table(values.strip("\n"))
    except ValidationError as error:
        raise ValidationError({"values": error.messages}) from error
    wanted = [variable.name for variable in prompt.variables if variable.required]
    missing = [name for name in wanted if name not in found.names]
    if not found.rows or missing:
        text = _(
            "The first line names the variables of the prompt (%(names)s), each further line "
            "gives their values."
        )
        names = enumerated(variable.name for variable in prompt.variables)
        raise ValidationError({"values": [text % {"names": names or "–"}]})
    return from_rows(prompt, found.rows)


def from_rows(prompt: Prompt, rows: Sequence[tuple[int, Mapping[str, str]]]) -> Reading:
    """The prompt filled with the values of each (line, row)."""
    reading = Reading()
    filled = fill_in_each(prompt=prompt, rows=[row for _line, row in rows])
    for (line, row), (text, problem) in zip(rows, filled, strict=True):
        if problem:
            reading.problems.append((line, problem))
        else:
            reading.take(line, Question(text, row.get("reference", "")))
    return reading
