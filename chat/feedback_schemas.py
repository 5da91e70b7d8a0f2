"""What the feedback API reads and writes."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from chat.examples import example_of
from chat.feedback import CORRECTION_MAX_CHARS, NOTE_MAX_CHARS
from chat.models import CollectedRow, Collection, Feedback, FeedbackKind, FeedbackReason
from llmplatform.schemas import Answer, Schema, Str


class ConsentOut(Answer):
    is_given: bool | None = Field(description="Null: not decided yet, which counts as no.")
    decided_at: datetime | None


class ConsentIn(Schema):
    is_given: bool = Field(description="False takes a consent back; see `withdrawal`.")


class FeedbackIn(Schema):
    """What is left out stays; an empty text takes it away."""

    verdict: Literal["up", "down", ""] | None = None
    reason: Str | None = Field(None, description=", ".join(FeedbackReason.values))
    note: Str | None = Field(None, max_length=NOTE_MAX_CHARS)
    correction: Str | None = Field(None, max_length=CORRECTION_MAX_CHARS)


class FeedbackOut(Answer):
    id: int
    message_id: UUID | None
    kind: str
    verdict: str
    reason: str
    note: str
    correction: str
    model: str = Field(validation_alias="model_label")
    state: str = Field(description="Of the review: pending, accepted or rejected.")
    reviewed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TurnOut(Answer):
    role: str
    content: str


class ExampleOut(Answer):
    messages: list[TurnOut]
    chosen: str = Field(description="The better answer; empty where there is none.")
    rejected: str = Field(description="The worse answer; empty where there is none.")


class CandidateRow(FeedbackOut):
    person: str
    tags: list[str]

    @staticmethod
    def resolve_person(row: Feedback) -> str:
        return row.user.email


class CandidateOut(CandidateRow):
    example: ExampleOut
    reviewed_by: str | None
    consented_at: datetime | None

    @staticmethod
    def resolve_example(row: Feedback) -> dict[str, Any]:
        return row.example or example_of(row)

    @staticmethod
    def resolve_reviewed_by(row: Feedback) -> str | None:
        return row.reviewed_by.email if row.reviewed_by else None

    @staticmethod
    def resolve_consented_at(row: Feedback) -> datetime | None:
        consent = getattr(row.user, "training_consent", None)
        return consent.decided_at if consent is not None and consent.is_given else None


class TurnIn(Schema):
    role: Literal["system", "user", "assistant"]
    content: Str


class ExampleIn(Schema):
    messages: list[TurnIn] = Field(max_length=400)
    chosen: Str = ""
    rejected: Str = ""


class DecisionIn(Schema):
    """`example`: as it is to be accepted; left out: as it stands in the chat."""

    decision: Literal["accept", "reject", "reopen"]
    example: ExampleIn | None = None
    tags: list[Str] | None = None


class DecisionsIn(Schema):
    ids: list[int] = Field(min_length=1, max_length=200)
    decision: Literal["accept", "reject"]


class RefusedOut(Answer):
    id: int
    reason: str


class DecisionsOut(Answer):
    done: int
    refused: list[RefusedOut]


class FiltersIn(Schema):
    kind: Literal["", "up", "down", "correction", "vote"] = Field(
        "", description=", ".join(FeedbackKind.values)
    )
    model: Str = ""
    person: Str = Field("", description="An e-mail address.")
    tag: Str = ""
    reason: Str = ""
    since: date | None = None
    until: date | None = None


class AnonymisingIn(Schema):
    """Texts that are replaced by [EMAIL], [PHONE], [NAME] and [REMOVED]."""

    emails: bool = False
    phones: bool = False
    finds_names: bool = Field(False, description='Names after words such as "my name is".')
    names: list[Str] = Field([], max_length=500)
    patterns: list[Str] = Field([], max_length=20, description="Regular expressions.")


class CollectionIn(Schema):
    name: Str = Field(min_length=1, max_length=100)
    purpose: Literal["sft", "dpo", "kto"]
    is_own: bool = Field(False, description="One's own feedback instead of what is accepted.")
    filters: FiltersIn | None = None
    anonymising: AnonymisingIn | None = None
    is_pseudonymous: bool = False


class CollectionOut(Answer):
    id: int
    name: str
    purpose: str
    is_own: bool
    filters: dict[str, Any]
    anonymising: dict[str, Any]
    is_pseudonymous: bool
    status: str = Field(description="waiting, running, done or failed.")
    error: str
    dataset_id: int | None = Field(description="The version that was collected last.")
    version: int | None
    created_at: datetime
    collected_at: datetime | None

    @staticmethod
    def resolve_version(row: Collection) -> int | None:
        return row.dataset.version if row.dataset else None


class ChangedOut(Answer):
    before: str
    after: str


class PreviewOut(Answer):
    count: int
    people: int
    unfit: int = Field(description="Accepted, but without what the purpose needs.")
    sampled: int
    changes: list[ChangedOut]


class UsedDataset(Answer):
    id: int
    name: str
    version: int
    owner: str

    @staticmethod
    def resolve_owner(row: Any) -> str:
        return str(row.owner)


class UsedJob(Answer):
    id: UUID
    name: str
    status: str


class UsedModel(Answer):
    id: int
    title: str


class UsedDeployment(Answer):
    id: UUID
    name: str
    status: str


class TrailOut(Answer):
    """Where answers have gone."""

    datasets: list[UsedDataset]
    jobs: list[UsedJob]
    models: list[UsedModel]
    deployments: list[UsedDeployment]


class SourceOut(Answer):
    collection_id: int
    message_id: UUID | None
    person: str
    kind: str
    model: str = Field(validation_alias="model_label")
    consented_at: datetime | None
    collected_at: datetime
    withdrawn_at: datetime | None
    url: str = Field(description="Of the chat or the review; empty where you may not see it.")

    @staticmethod
    def resolve_url(row: CollectedRow) -> str:
        return str(getattr(row, "url", ""))


class OriginOut(Answer):
    record: int
    sources: list[SourceOut]


class ReviewerIn(Schema):
    email: Str = Field(min_length=3, max_length=254)


class ReviewerOut(Answer):
    user_id: int
    email: str
    named_by: str | None
    created_at: datetime
