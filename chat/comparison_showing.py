"""A comparison as its page shows it: columns, the table of figures, the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from accounts.models import User
from chat.columns import Side, name_of, sides_of
from chat.context import sees
from chat.models import Comparison, ComparisonColumn, Message, MessageStatus, Vote
from chat.showing import ShownTurn, shown_turns

# Whether more is better; of tokens neither is.
BETTER = {"ttft_ms": min, "duration_ms": min, "tokens_per_second": max, "cost": min}


@dataclass
class Row:
    """A column's figures of one round; `best` names those that no other column beats."""

    side: Side
    message: Message | None
    best: set[str] = field(default_factory=set)

    @cached_property
    def shown(self) -> ShownTurn | None:
        found = self.side.turns[-1] if self.side.turns else None
        return ShownTurn(found) if found and found.message is self.message else None

    @property
    def figures(self) -> dict[str, Any]:
        """Of a blind comparison nothing: prices and speed would give the names away."""
        return self.shown.figures if self.shown else {}

    @property
    def total_s(self) -> str | None:
        ms = self.message.duration_ms if self.message else None
        return None if ms is None else f"{ms / 1000:.2f}"

    @property
    def state(self) -> str:
        if self.message is None:
            return _("Waiting")
        return str(MessageStatus(self.message.status).label)

    @property
    def look(self) -> str:
        """The badge's colour, never without its word."""
        looks = {"streaming": "running", "done": "success", "failed": "danger"}
        return looks.get(self.message.status if self.message else "", "warning")


def rows_of(sides: Sequence[Side]) -> list[Row]:
    rows = [Row(side, side.answer) for side in sides]
    for name, better in BETTER.items():
        known = {
            index: value
            for index, row in enumerate(rows)
            if row.message is not None
            and row.message.status == MessageStatus.DONE
            and (value := getattr(row.message, name)) is not None
        }
        is_fair = name != "cost" or len({_currency(rows[index]) for index in known}) == 1
        if len(known) > 1 and is_fair and len(set(known.values())) > 1:
            top = better(known.values())
            for index, value in known.items():
                if value == top:
                    rows[index].best.add(name)
    return rows


def _currency(row: Row) -> str:
    return row.message.currency if row.message else ""


@dataclass
class Shown:
    """What templates take; `reader` only reads where the comparison is somebody else's."""

    comparison: Comparison
    reader: User

    @property
    def may_change(self) -> bool:
        return self.comparison.owner_id == self.reader.pk

    @cached_property
    def sides(self) -> list[Side]:
        return sides_of(self.comparison)

    @cached_property
    def rows(self) -> list[Row]:
        return rows_of(self.sides)

    @cached_property
    def votes(self) -> list[Vote]:
        return list(self.comparison.votes.select_related("best"))

    @property
    def rounds(self) -> int:
        return max((side.rounds for side in self.sides), default=0)

    @property
    def unseeing(self) -> bool:
        """A model among them reads no images; which one is not said."""
        return not all(sees(side.column.session.model) for side in self.sides)

    @property
    def is_answering(self) -> bool:
        return any(side.is_answering for side in self.sides)

    @property
    def vote(self) -> Vote | None:
        """On the last round."""
        return next((vote for vote in self.votes if vote.round == self.rounds), None)

    @property
    def may_vote(self) -> bool:
        """A blind vote is final; another may be changed."""
        is_open = self.vote is None or not self.vote.is_blind
        answered = sum(side.has_answered for side in self.sides)
        return self.may_change and is_open and answered > 1 and not self.is_answering

    @property
    def winner(self) -> Side | None:
        best = self.vote.best if self.vote else None
        return next((side for side in self.sides if best and side.column.pk == best.pk), None)

    @property
    def may_compare_words(self) -> bool:
        return sum(side.has_answered for side in self.sides) > 1


@dataclass
class ShownColumn:
    side: Side
    turns: list[ShownTurn]
    context: dict[str, Any]


def columns_of(shown: Shown) -> list[ShownColumn]:
    return [
        ShownColumn(
            side,
            shown_turns(list(side.turns), shown.reader.pk),
            message_context(side.column, shown.reader),
        )
        for side in shown.sides
    ]


def message_context(column: ComparisonColumn, reader: User) -> dict[str, Any]:
    """What `chat/message.html` needs beside the turn, in a column."""
    comparison = column.comparison
    return {
        "name": name_of(column),
        "foot": "chat/comparison/foot.html",
        "is_masked": comparison.is_masked,
        "column": column,
        "may_change": comparison.owner_id == reader.pk,
    }
