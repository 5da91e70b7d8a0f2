"""What every format can do, and the layouts of LLaMA-Factory 0.9.5 they are stored in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Record = Mapping[str, Any]


class Answer(StrEnum):
    """What there is to learn from: one answer, a better and a worse one, or one with a verdict."""

    SINGLE = "single"
    PAIR = "pair"
    TAGGED = "tagged"


@dataclass(frozen=True)
class Turn:
    """Who says what: `speaker` is system, tools, user, assistant, call, result, chosen, rejected,
    good, bad or text; `pictures` are the addresses of those that stand in the text."""

    speaker: str
    text: str
    pictures: tuple[str, ...] = ()


class Layout(Protocol):
    """One way to write records down. `clean` is idempotent: its result passes it unchanged."""

    @property
    def format(self) -> str:
        """The name of the format, as stored with a dataset."""

    @property
    def expected(self) -> str:
        """The columns it needs, for people."""

    def fits(self, record: Record) -> bool:
        """Whether the record has the columns, whatever stands in them."""

    def clean(self, record: Record) -> dict[str, Any]:
        """The record as it is stored: known columns only, always of one type. Or a Problem."""

    def entry(self, *, has_history: bool, has_images: bool = False) -> dict[str, Any]:
        """What dataset_info.json says about the stored file besides its name."""

    def turns(self, record: Record) -> Iterator[Turn]:
        """A cleaned record as a conversation."""

    @property
    def used(self) -> frozenset[str]:
        """The columns `clean` reads; all others are left out."""


def tag_turn(record: Record, text: str) -> Turn:
    return Turn("good" if record["kto_tag"] else "bad", text)


def is_tagged(record: Record) -> bool:
    """`label` is a common name of other things, so there only true and false count."""
    return "kto_tag" in record or isinstance(record.get("label"), bool)
