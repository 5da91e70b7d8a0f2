"""What the API of evaluations reads and writes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from llmplatform.schemas import Answer, Schema, Str
from training import evaluation, evaluation_gate
from training.models import Evaluation
from training.schemas import JobError


class Probe(Schema):
    question: Str = Field(min_length=1, max_length=evaluation.CHARS_MAX)
    answer: Str = Field("", max_length=evaluation.CHARS_MAX)
    system: Str = Field("", max_length=evaluation.CHARS_MAX)


class EvaluationIn(Schema):
    source: Str = Field(
        "", description="share, dataset or probes; the best there is where it is left out."
    )
    dataset: int | None = None
    probes: list[Probe] = Field(default_factory=list, max_length=evaluation.PROBES_MAX)
    limit: int = evaluation.USUAL_LIMIT
    max_new_tokens: int = evaluation.USUAL_TOKENS
    judge: int | None = Field(None, description="Id of a model that compares the answers.")
    rubric: Str = Field("", max_length=evaluation.CHARS_MAX)


class EvaluationOut(Answer):
    id: UUID
    model_version: int
    status: str
    progress: float
    source: str
    dataset: int | None
    limit: int
    max_new_tokens: int
    judge: int | None
    rubric: str
    judge_status: str = Field(description="Empty, waiting, running, done or failed.")
    judge_error: str
    results: dict[str, Any]
    counts: dict[str, int]
    problems: list[str] = Field(description="What it holds against the label production.")
    error: JobError | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def resolve_model_version(row: Evaluation) -> int:
        return row.version_id

    @staticmethod
    def resolve_status(row: Evaluation) -> str:
        return str(row.state)

    @staticmethod
    def resolve_dataset(row: Evaluation) -> int | None:
        return row.dataset_id

    @staticmethod
    def resolve_judge(row: Evaluation) -> int | None:
        return row.judge_id

    @staticmethod
    def resolve_judge_status(row: Evaluation) -> str:
        return row.judge_state

    @staticmethod
    def resolve_judge_error(row: Evaluation) -> str:
        return row.judge_detail

    @staticmethod
    def resolve_counts(row: Evaluation) -> dict[str, int]:
        return row.counts()

    @staticmethod
    def resolve_problems(row: Evaluation) -> list[str]:
        return evaluation_gate.problems_in(row) if row.status == "success" else []

    @staticmethod
    def resolve_error(row: Evaluation) -> dict[str, str] | None:
        if not row.reason:
            return None
        return {"code": row.reason, "message": row.get_reason_display(), "detail": row.detail}


class SampleOut(Answer):
    position: int
    turns: list[dict[str, Any]]
    system: str
    expected: str
    base_answer: str
    tuned_answer: str
    base: dict[str, Any]
    tuned: dict[str, Any]
    outcome: str = Field(description="win, loss or tie of the tuned model; empty: nobody knows.")
    judgement: dict[str, Any]
