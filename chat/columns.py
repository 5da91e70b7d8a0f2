"""A comparison's columns with what each of them said, as far as the reader may know it.

Columns are asked together, so that the `n`th answer of each is to the same question.
"""

from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import prefetch_related_objects
from django.utils.functional import cached_property
from django.utils.translation import gettext as _

from chat.models import Comparison, ComparisonColumn, Message
from chat.threads import Node, Tree, Turn

# Of an answer: what would tell which model gave it.
HIDDEN: dict[str, Any] = {
    "model_label": "",
    "model_version": None,
    "prompt_tokens": None,
    "completion_tokens": None,
    "is_estimated": False,
    "cost": None,
    "currency": "",
    "ttft_ms": None,
    "duration_ms": None,
    "thinking_ms": None,
}
# Why an answer is not whole is said by all of them in these words; others are a provider's own.
COMMON_REASONS = {"length", "content_filter"}


def veiled(message: Message) -> Message:
    """A copy that does not tell which model it is from; it is never saved."""
    found = copy(message)
    found._state = copy(message._state)
    found._state.fields_cache = {}
    for name, value in HIDDEN.items():
        setattr(found, name, value)
    if found.finish_reason not in COMMON_REASONS:
        found.finish_reason = ""
    if not message.is_question:
        # What an application found by itself has no base of ours, and names the application.
        kept = [source for source in message.sources.all() if source.base_id is not None]
        read = getattr(message, "_prefetched_objects_cache", {})
        found._prefetched_objects_cache = {**read, "sources": kept}  # type: ignore[attr-defined]
    return found


def as_known(turns: Iterable[Turn], comparison: Comparison) -> tuple[Turn, ...]:
    """The turns as everybody may see them now."""
    if not comparison.is_masked:
        return tuple(turns)
    return tuple(replace(turn, message=veiled(turn.message)) for turn in turns)


def name_of(column: ComparisonColumn) -> str:
    """Whichever model it is: “Model A”."""
    return _("Model %(letter)s") % {"letter": column.letter}


@dataclass(frozen=True)
class Side:
    """A column and the conversation that it shows."""

    column: ComparisonColumn
    turns: tuple[Turn, ...]

    @property
    def is_masked(self) -> bool:
        return self.column.comparison.is_masked

    @property
    def name(self) -> str:
        return name_of(self.column)

    @property
    def label(self) -> str:
        """The model's name; the column's while that is hidden, or when the model is gone."""
        model = None if self.is_masked else self.column.session.model
        return model.name or model.model_id if model else self.name

    @property
    def provider(self) -> str:
        model = None if self.is_masked else self.column.session.model
        return model.provider.name if model else ""

    @property
    def own(self) -> dict[str, Any]:
        """Parameters that are not those of all columns."""
        if self.is_masked:
            return {}
        shared = self.column.comparison.parameters
        mine = self.column.session.parameters
        return {name: value for name, value in mine.items() if shared.get(name) != value}

    @property
    def has_own_prompt(self) -> bool:
        differs = self.column.session.system_prompt != self.column.comparison.system_prompt
        return differs and not self.is_masked

    @cached_property
    def answers(self) -> list[Message]:
        return [turn.message for turn in self.turns if not turn.message.is_question]

    @property
    def answer(self) -> Message | None:
        return self.answers[-1] if self.answers else None

    @property
    def rounds(self) -> int:
        return len(self.answers)

    @property
    def is_answering(self) -> bool:
        return self.answer is not None and self.answer.is_streaming

    @property
    def has_answered(self) -> bool:
        return self.answer is not None and bool(self.answer.content.strip())


def columns_of(comparison: Comparison) -> list[ComparisonColumn]:
    """In the order of their numbers; prefetch `columns__session__model__provider` for lists."""
    columns = list(comparison.columns.all())
    for column in columns:
        column.comparison = comparison
    return columns


def sides_of(comparison: Comparison) -> list[Side]:
    prefetch_related_objects([comparison], "columns__session__model__provider")
    columns = columns_of(comparison)
    nodes: dict[Any, list[Node]] = defaultdict(list)
    rows = Message.objects.filter(session__in=[column.session_id for column in columns])
    rows = rows.order_by("position", "created_at", "pk")
    for session_id, *fields in rows.values_list("session_id", *Node._fields):
        nodes[session_id].append(Node(*fields))
    return [_side(comparison, column, nodes[column.session_id]) for column in columns]


def side_of(comparison: Comparison, number: int) -> Side | None:
    return next((side for side in sides_of(comparison) if side.column.number == number), None)


def _side(comparison: Comparison, column: ComparisonColumn, nodes: Iterable[Node]) -> Side:
    tree = Tree(nodes)
    turns = tree.turns(tree.nodes_to(column.session.tip_id))
    return Side(column, as_known(turns, comparison))
