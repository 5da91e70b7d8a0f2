"""What the records of a dataset ask, for whoever has other models answer it."""

from collections.abc import Sequence
from dataclasses import dataclass

from training.datasets import records_of, turns_of
from training.formats.layouts import Turn
from training.models import Dataset

SAID = ("system", "user", "assistant")
EXPECTED = ("assistant", "chosen", "good")


@dataclass(frozen=True)
class RecordQuestion:
    """The last turn of a user in record `number` (from 1): `before` are (role, text) ahead of it,
    `expected` is empty where the record has no good answer."""

    number: int
    text: str
    before: tuple[tuple[str, str], ...]
    expected: str


def questions_of(dataset: Dataset, *, limit: int) -> list[RecordQuestion | None]:
    """Of the first `limit` records; None for one that asks nothing in texts alone: plain text,
    pictures, tools."""
    found = turns_of(dataset, records_of(dataset)[:limit])
    return [_question(number, turns) for number, turns in enumerate(found, 1)]


def _question(number: int, turns: Sequence[Turn]) -> RecordQuestion | None:
    asked = [place for place, turn in enumerate(turns) if turn.speaker == "user"]
    if not asked:
        return None
    last, before = turns[asked[-1]], turns[: asked[-1]]
    is_plain = all(turn.speaker in SAID and not turn.pictures for turn in (*before, last))
    if not is_plain or not last.text.strip():
        return None
    after = turns[asked[-1] + 1 :]
    expected = next((turn.text for turn in after if turn.speaker in EXPECTED), "")
    said = tuple((turn.speaker, turn.text) for turn in before if turn.text.strip())
    return RecordQuestion(number, last.text, said, expected)
