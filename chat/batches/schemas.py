"""What the API of batch comparisons reads and writes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from chat.batches.checks import CheckKind, label_of
from chat.batches.results import Tally
from chat.models import Batch, BatchCell
from chat.schemas import PROMPT_MAX_CHARS, ErrorOut, Parameters
from chat.showing import advice_of
from llmplatform.schemas import Amount, Answer, Schema, Str


class BatchRowIn(Schema):
    prompt: Str = Field(min_length=1, max_length=PROMPT_MAX_CHARS)
    reference: Str = Field("", max_length=PROMPT_MAX_CHARS)
    system: Str = Field("", max_length=PROMPT_MAX_CHARS)


class FileIn(Schema):
    """`text` is what the file holds."""

    name: Str = Field(max_length=200, description="Ends in .txt, .csv, .json or .jsonl.")
    text: Str = Field(max_length=10_000_000)


class CheckIn(Schema):
    kind: CheckKind
    value: Str | int | None = None


class BatchIn(Schema):
    """Exactly one of `prompts`, `file`, `dataset_id`, `prompt_id` (with `values`) and `repeat_of`.

    Models as in `chat/sessions`: a model's `id`, its `model_id`, or `provider/model_id`.
    """

    name: Str = Field(min_length=1, max_length=100)
    models: list[int | Str] = Field(min_length=1, max_length=6)
    prompts: list[BatchRowIn] | None = Field(None, min_length=1, max_length=2000)
    file: FileIn | None = None
    dataset_id: int | None = None
    limit: int = Field(100, ge=1, le=2000, description="Records of the dataset at most.")
    prompt_id: int | None = None
    values: list[dict[Str, Str]] | None = Field(None, max_length=2000)
    repeat_of: UUID | None = None
    system_prompt: Str = Field("", max_length=PROMPT_MAX_CHARS)
    parameters: Parameters | None = None
    checks: list[CheckIn] = Field([], max_length=20)
    judge: int | Str | None = None
    rubric: Str = Field("", max_length=8000)
    calls_at_once: int = Field(4, ge=1, le=16)
    start: bool = False


class CheckOut(Answer):
    kind: str
    value: Any
    label: str


class ProblemOut(Answer):
    line: int
    problem: str


class ColumnOut(Answer):
    position: int
    model_id: int | None = Field(description="The model's `id`; null when it was deleted.")
    model: str


class BatchOut(Answer):
    id: UUID
    name: str
    status: str
    reason: ErrorOut | None = Field(description="Why it paused by itself.")
    source: str
    source_label: str
    repeat_of_id: UUID | None
    models: list[ColumnOut]
    prompts: int
    system_prompt: str
    parameters: dict[str, Any]
    checks: list[CheckOut]
    judge: str | None
    rubric: str
    calls_at_once: int
    estimate: dict[str, Any] = Field(description="Null is unknown, never zero.")
    problems: list[ProblemOut] = Field(description="The first that were left out.")
    problem_count: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @staticmethod
    def resolve_reason(batch: Batch) -> dict[str, str] | None:
        code = batch.reason
        return {"code": code, "message": advice_of(code)} if code else None

    @staticmethod
    def resolve_models(batch: Batch) -> list[dict[str, Any]]:
        return [
            {"position": each.position, "model_id": each.model_id, "model": each.label}
            for each in batch.columns.all()
        ]

    @staticmethod
    def resolve_prompts(batch: Batch) -> int:
        return batch.prompts.count()

    @staticmethod
    def resolve_checks(batch: Batch) -> list[dict[str, Any]]:
        return [{"value": None, **check, "label": label_of(check)} for check in batch.checks]

    @staticmethod
    def resolve_judge(batch: Batch) -> str | None:
        return str(batch.judge) if batch.judge else None

    @staticmethod
    def resolve_problems(batch: Batch) -> list[dict[str, Any]]:
        return [{"line": line, "problem": problem} for line, problem in batch.problems]


class TallyOut(Answer):
    position: int
    model: str
    total: int
    answered: int
    failed: int
    calling: int
    pass_rate: float | None
    mean_score: float | None
    prompt_tokens: int
    completion_tokens: int
    costs: dict[str, Amount]
    unknown_costs: int = Field(description="Answers whose cost is unknown, and in no sum.")
    p50_ms: int | None
    p95_ms: int | None
    ttft_ms: int | None = Field(description="The mean.")

    @staticmethod
    def resolve_position(tally: Tally) -> int:
        return tally.column.position

    @staticmethod
    def resolve_model(tally: Tally) -> str:
        return tally.column.label


class BatchDetailOut(BatchOut):
    summary: list[TallyOut]


class CellOut(Answer):
    model: str
    column: int
    status: str
    error: ErrorOut | None
    answer: str
    thoughts: str
    checks: list[bool | None]
    passed: bool | None
    score: int | None
    judgement: dict[str, str]
    prompt_tokens: int | None
    completion_tokens: int | None
    is_estimated: bool
    cost: Amount | None
    currency: str
    ttft_ms: int | None
    duration_ms: int | None
    tokens_per_second: float | None
    finish_reason: str

    @staticmethod
    def resolve_model(cell: BatchCell) -> str:
        return cell.column.label

    @staticmethod
    def resolve_column(cell: BatchCell) -> int:
        return cell.column.position

    @staticmethod
    def resolve_error(cell: BatchCell) -> dict[str, str] | None:
        code = cell.error_code
        return {"code": code, "message": advice_of(code)} if code else None


class RowOut(Answer):
    id: int
    position: int
    prompt: str
    before: list[dict[str, str]]
    reference: str
    answers: list[CellOut]


class PairOut(Answer):
    position: int
    kind: str
    prompt_id: int
    other_prompt_id: int
    same_text: bool
    passed: bool | None
    other_passed: bool | None
    score: int | None
    other_score: int | None


class RegressionsOut(Answer):
    """Of this comparison against `other`, the earlier one."""

    model: str
    other_model: str
    counts: dict[str, int]
    changed: int
    missing: int
    pairs: list[PairOut]


class RetriedOut(Answer):
    calls: int
