"""What the API of comparisons reads and writes. What a blind one hides is null until it is
revealed."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from chat.columns import Side, columns_of, sides_of
from chat.differing import Difference
from chat.leaderboard import Standing
from chat.material import BASES_MAX
from chat.models import COLUMNS_MAX, COLUMNS_MIN, Comparison, Message, Outcome, Vote
from chat.schemas import PROMPT_MAX_CHARS, BaseId, MessageOut, Parameters, SentFiles
from llmplatform.schemas import Answer, Schema, Str


class ColumnIn(Schema):
    """A model with parameters of its own. `model_id` as in `chat/sessions`."""

    model_id: int | Str
    system_prompt: Str = Field("", max_length=PROMPT_MAX_CHARS)
    parameters: Parameters | None = None


class ComparisonIn(Schema):
    prompt: Str = Field(max_length=200_000, description="May be empty beside attachments.")
    models: list[int | Str | ColumnIn] = Field(
        description=f"{COLUMNS_MIN} to {COLUMNS_MAX}, as `model_id` in `chat/sessions`; or objects "
        "with parameters of their own."
    )
    system_prompt: Str = Field("", max_length=PROMPT_MAX_CHARS)
    parameters: Parameters | None = None
    knowledge_bases: list[BaseId] = Field([], max_length=BASES_MAX)
    is_blind: bool = False
    tags: list[Str] = Field(default_factory=list, max_length=20)
    attachments: SentFiles = []


class ComparisonPatch(Schema):
    title: Str | None = Field(None, min_length=1, max_length=200)
    is_shared: bool | None = None
    tags: list[Str] | None = Field(None, max_length=20)


class QuestionIn(Schema):
    content: Str = Field(max_length=200_000, description="May be empty beside attachments.")
    attachments: SentFiles = []


class NumberIn(Schema):
    column: int = Field(ge=1, le=COLUMNS_MAX, description="The column's `number`.")


class VoteIn(Schema):
    """On the last round. `best` goes with the outcome `best` only."""

    outcome: Literal["best", "tie", "all_bad"]
    best: int | None = Field(None, ge=1, le=COLUMNS_MAX, description="A column's `number`.")
    note: Str = Field("", max_length=2000)


class VoteOut(Answer):
    round: int
    outcome: str = Field(description=", ".join(Outcome.values))
    best: int | None = Field(description="A column's `number`.")
    answered: list[int] = Field(description="Numbers of the columns that had an answer.")
    note: str
    is_blind: bool
    created_at: datetime

    @staticmethod
    def resolve_best(vote: Vote) -> int | None:
        return vote.best.number if vote.best else None


class ColumnRow(Answer):
    """Made of a `Side`. `name` is the column's (“Model A”), `model` what it really is."""

    number: int
    name: str
    model_id: int | None
    model: str | None

    @staticmethod
    def resolve_number(side: Side) -> int:
        return side.column.number

    @staticmethod
    def resolve_model_id(side: Side) -> int | None:
        return None if side.is_masked else side.column.session.model_id

    @staticmethod
    def resolve_model(side: Side) -> str | None:
        model = None if side.is_masked else side.column.session.model
        return str(model) if model else None


class ColumnOut(ColumnRow):
    parameters: dict[str, Any] | None
    system_prompt: str | None
    messages: list[MessageOut]

    @staticmethod
    def resolve_parameters(side: Side) -> dict[str, Any] | None:
        return None if side.is_masked else side.column.session.parameters

    @staticmethod
    def resolve_system_prompt(side: Side) -> str | None:
        return None if side.is_masked else side.column.session.system_prompt

    @staticmethod
    def resolve_messages(side: Side) -> list[Message]:
        return [turn.message for turn in side.turns]


class ComparisonRow(Answer):
    id: UUID
    title: str
    owner: str = Field(description="E-mail address.")
    is_blind: bool
    is_revealed: bool = Field(description="The names are shown: it is not blind, or was voted on.")
    is_shared: bool
    tags: list[str]
    columns: list[ColumnRow]
    votes: list[VoteOut]
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_owner(comparison: Comparison) -> str:
        return comparison.owner.email

    @staticmethod
    def resolve_is_revealed(comparison: Comparison) -> bool:
        return not comparison.is_masked

    @staticmethod
    def resolve_columns(comparison: Comparison) -> list[Side]:
        return [Side(column, ()) for column in columns_of(comparison)]

    @staticmethod
    def resolve_votes(comparison: Comparison) -> list[Vote]:
        return list(comparison.votes.select_related("best"))


class ComparisonOut(ComparisonRow):
    """`status` is `answering` while any column is."""

    system_prompt: str
    parameters: dict[str, Any]
    knowledge_bases: list[int] = Field(
        description="What all columns are answered from, as far as its owner can read it."
    )
    status: Literal["answering", "done"]
    columns: list[ColumnOut]  # type: ignore[assignment]  # the same with their messages

    @staticmethod
    def resolve_columns(comparison: Comparison) -> list[Side]:
        return sides_of(comparison)

    @staticmethod
    def resolve_status(comparison: Comparison) -> str:
        running = Message.objects.streaming().filter(session__column__comparison=comparison)
        return "answering" if running.exists() else "done"


class PieceOut(Answer):
    kind: str = Field(description="`same`, `left` (only there) or `right`.")
    text: str


class DifferenceOut(Answer):
    pieces: list[PieceOut]
    is_by_line: bool = Field(description="The answers are too long to be compared by words.")
    similarity: float = Field(description="Share of the text that both have, 0 to 1.")

    @staticmethod
    def resolve_pieces(found: Difference) -> list[Any]:
        return list(found.pieces)


class StandingOut(Answer):
    rank: int | None = Field(description="Null where there are too few votes, or it stands apart.")
    model_id: int
    model: str
    points: float | None = Field(description="400 points are odds of ten to one; 1000 is average.")
    low: float | None = Field(description="Of the 95 % confidence interval.")
    high: float | None
    win_rate: float | None = Field(description="Expected against an average model, 0 to 1.")
    votes: int
    wins: int
    ties: int
    losses: int
    all_bad: int

    @classmethod
    def of(cls, row: Standing) -> "StandingOut":
        is_ranked, strength = row.rank is not None, row.strength
        return cls(
            rank=row.rank,
            model_id=row.model.pk,
            model=str(row.model),
            points=round(strength.points, 1) if is_ranked else None,
            low=round(strength.low, 1) if is_ranked else None,
            high=round(strength.high, 1) if is_ranked else None,
            win_rate=round(strength.win_rate, 4) if is_ranked else None,
            votes=row.votes,
            wins=row.wins,
            ties=row.ties,
            losses=row.losses,
            all_bad=row.all_bad,
        )


class BoardOut(Answer):
    votes: int
    blind_votes: int
    votes_to_be_ranked: int
    items: list[StandingOut]
