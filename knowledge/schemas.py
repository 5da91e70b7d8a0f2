"""What the API of knowledge bases reads and writes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from knowledge.models import TOP_K_MAX, Base, Document, SearchMode, Space
from knowledge.passages import TEXT_MAX_CHARS
from knowledge.problems import explained
from llmplatform.schemas import Answer, Schema, Str

OPERATORS = Literal[
    "contains",
    "not contains",
    "start with",
    "end with",
    "is",
    "is not",
    "in",
    "not in",
    "empty",
    "not empty",
    "=",
    "≠",
    ">",
    "<",
    "≥",
    "≤",
    "before",
    "after",
]


class KnowledgeBaseIn(Schema):
    name: Str = Field(min_length=1, max_length=100)
    description: Str = Field("", max_length=300)
    is_shared: bool = Field(False, description="Everybody may ask it; only its owner changes it.")
    embedding_model: int | None = Field(None, description="Id of a model; without, words only.")
    rerank_model: int | None = None
    provider: int | None = Field(None, description="A connection to Dify's knowledge.")
    dataset_id: Str = Field("", max_length=64, description="Of Dify, with `provider`.")
    chunk_chars: int = Field(800, ge=100, le=8000)
    overlap_chars: int = Field(80, ge=0, le=2000)
    mode: SearchMode = SearchMode.HYBRID
    top_k: int = Field(6, ge=1, le=TOP_K_MAX)
    score_threshold: float = Field(0.0, ge=0, le=1)


class KnowledgeBasePatch(Schema):
    name: Str | None = Field(None, min_length=1, max_length=100)
    description: Str | None = Field(None, max_length=300)
    is_shared: bool | None = None
    embedding_model: int | None = Field(
        None, description="Builds a new index; null searches words only. Left out: as it is."
    )
    rerank_model: int | None = None
    chunk_chars: int | None = Field(None, ge=100, le=8000)
    overlap_chars: int | None = Field(None, ge=0, le=2000)
    mode: SearchMode | None = None
    top_k: int | None = Field(None, ge=1, le=TOP_K_MAX)
    score_threshold: float | None = Field(None, ge=0, le=1)


class SpaceOut(Answer):
    """`model` is empty where only words are searched. `scores`: of the saved questions, in the
    index that answers and in this one."""

    id: UUID
    model: str
    dimension: int
    status: str
    done: int
    total: int
    error: str
    scores: dict[str, Any]

    @staticmethod
    def resolve_model(space: Space) -> str:
        return space.model_name


class KnowledgeBaseOut(Answer):
    id: int
    name: str
    description: str
    is_shared: bool
    is_mine: bool = Field(description="Whether the caller may change it.")
    source: str
    chunk_chars: int
    overlap_chars: int
    mode: str
    top_k: int
    score_threshold: float
    rerank_model: int | None
    documents: int
    ready: int
    failed: int
    index: SpaceOut | None = Field(description="What answers now.")
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_is_mine(base: Base, context: dict[str, Any]) -> bool:
        return bool(base.owner_id == context["request"].auth.pk)

    @staticmethod
    def resolve_rerank_model(base: Base) -> int | None:
        return base.rerank_model_id

    @staticmethod
    def resolve_documents(base: Any) -> int:
        return int(base.document_count)

    @staticmethod
    def resolve_ready(base: Any) -> int:
        return int(base.ready_count)

    @staticmethod
    def resolve_failed(base: Any) -> int:
        return int(base.failed_count)

    @staticmethod
    def resolve_index(base: Base) -> Space | None:
        return base.live_space


class DocumentOut(Answer):
    """`stage`, `done` and `total`: while it is in work. `notes`: what a reader should know, such as
    pages without text."""

    id: int
    name: str
    folder: str
    status: str
    stage: str
    done: int
    total: int
    error: str | None
    error_code: str
    notes: list[str]
    title: str
    media_type: str
    size_bytes: int
    sha256: str
    pages: int
    characters: int
    chunks: int
    is_enabled: bool
    metadata: dict[str, Any]
    created_at: datetime
    ready_at: datetime | None

    @staticmethod
    def resolve_error(document: Document) -> str | None:
        if not document.error_code:
            return None
        return explained(document.error_code, document.error_params)

    @staticmethod
    def resolve_notes(document: Document) -> list[str]:
        return [explained(note["code"], note["params"]) for note in document.notes]

    @staticmethod
    def resolve_chunks(document: Document) -> int:
        return document.chunk_count


class DocumentPatch(Schema):
    name: Str | None = Field(None, min_length=1, max_length=255)
    is_enabled: bool | None = Field(None, description="Off: it stays, and is not searched.")
    metadata: dict[str, Any] | None = None


class ChunkOut(Answer):
    id: int
    position: int
    text: str
    start: int
    end: int
    page: int | None
    headings: list[str]
    is_enabled: bool
    is_edited: bool


class ChunkPatch(Schema):
    """Holds until the document is read again."""

    text: Str | None = Field(
        None, max_length=TEXT_MAX_CHARS, description="Empty: as it was cut from the document."
    )
    is_enabled: bool | None = Field(None, description="Off: it stays, and is not searched.")


class CutIn(Schema):
    chunk_chars: int = Field(ge=100, le=8000)
    overlap_chars: int = Field(0, ge=0, le=2000)


class CutOut(Answer):
    text: str
    start: int
    end: int
    page: int | None
    headings: list[str]


class PreviewOut(Answer):
    count: int
    average_chars: int
    chunks: list[CutOut] = Field(description="The first of them.")


class ConditionIn(Schema):
    name: Str = Field(min_length=1, max_length=60)
    operator: OPERATORS
    value: Str | int | float | bool | list[Str] | None = None


class MetadataFiltersIn(Schema):
    logic: Literal["and", "or"] = "and"
    conditions: list[ConditionIn] = Field(min_length=1, max_length=20)


class SearchIn(Schema):
    """What is left out is as the base has it."""

    query: Str = Field(min_length=1, max_length=2000)
    top_k: int | None = Field(None, ge=1, le=TOP_K_MAX)
    mode: SearchMode | None = None
    score_threshold: float | None = Field(None, ge=0, le=1)
    filters: MetadataFiltersIn | None = None


class FoundIn(Answer):
    id: int | None
    name: str


class ResultOut(Answer):
    """`start` and `end`: characters of the document's text; `stages`: rank and score by meaning and
    by words, before they were joined."""

    content: str
    score: float
    document: FoundIn
    position: int
    page: int | None
    headings: list[str]
    start: int
    end: int
    metadata: dict[str, Any]
    stages: dict[str, float | None]


class RemarkOut(Answer):
    code: str
    message: str


class SearchOut(Answer):
    results: list[ResultOut]
    remarks: list[RemarkOut]
    timings_ms: dict[str, float]


class AssessmentOut(Answer):
    id: int
    status: str
    settings: dict[str, Any]
    scores: dict[str, float]
    questions: int
    done: int
    error: str
    created_at: datetime


class QuestionOut(Answer):
    id: int
    text: str
    passage: str
    document_name: str


class QuestionsOut(Answer):
    added: int
    count: int
