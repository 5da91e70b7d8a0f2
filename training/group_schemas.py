"""What the API of templates, sweeps and configurations reads and writes."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import Field

from llmplatform.schemas import Answer, Name, Schema, Str
from training import sweeps
from training.models import JobTemplate, Method, Stage, Sweep
from training.schemas import EstimateIn

Grid = dict[str, list[Any]]


class ArgumentOut(Answer):
    name: str
    group: str
    kind: str = Field(description="int, float, bool, choice, text, modules (commas) or json.")
    label: str
    help: str
    default: Any
    minimum: float | None
    above: float | None
    maximum: float | None
    choices: list[str]
    methods: list[str] = Field(description="Empty: all.")
    stages: list[str] = Field(description="Empty: all.")
    blocked: str | None = Field(description="Why it cannot be set.")


class ImportIn(Schema):
    yaml: Str = Field(max_length=64 * 1024)


class RefusedOut(Answer):
    name: str
    reason: str


class ImportedOut(Answer):
    base_model: int | None
    dataset: int | None
    eval_dataset: int | None
    stage: str
    method: str
    parameters: dict[str, Any]
    refused: list[RefusedOut]


class TemplateIn(Schema):
    name: Name
    stage: Str = Stage.SFT.value
    method: Str = Method.LORA.value
    parameters: dict[str, Any] = Field(default_factory=dict)
    base_model: int | None = None
    is_shared: bool = False


class TemplateChange(Schema):
    name: Name | None = None
    is_shared: bool | None = None


class TemplateOut(Answer):
    id: int
    name: str
    owner: str
    is_shared: bool
    base_model: int | None
    stage: str
    method: str
    parameters: dict[str, Any]
    created_at: datetime

    @staticmethod
    def resolve_owner(template: JobTemplate) -> str:
        return template.owner.email

    @staticmethod
    def resolve_base_model(template: JobTemplate) -> int | None:
        return template.base_model_id


class SweepEstimateIn(EstimateIn):
    grid: Grid = Field(description="The values to be tried of each parameter.")


class SweepIn(SweepEstimateIn):
    name: Name
    start: bool = Field(True, description="Into the queue at once.")
    allow_too_large: bool = False


class SweepEstimateOut(Answer):
    count: int
    time_s: int | None = Field(description="One after the other.")
    cost_usd: Decimal | None
    memory_bytes: int | None = Field(description="Of the combination that takes most.")
    verdict: str


class SweepJobOut(Answer):
    id: UUID
    name: str
    status: str
    values: dict[str, Any]
    measure: float | None
    is_best: bool


class SweepOut(Answer):
    id: UUID
    name: str
    base_model: int
    dataset: int
    stage: str
    method: str
    parameters: dict[str, Any]
    grid: Grid
    measured_by: str = Field(description="eval_loss, train_loss or loss; lower is better.")
    jobs: list[SweepJobOut]
    created_at: datetime

    @staticmethod
    def resolve_base_model(sweep: Sweep) -> int:
        return sweep.base_model_id

    @staticmethod
    def resolve_dataset(sweep: Sweep) -> int:
        return sweep.dataset_id

    @staticmethod
    def resolve_measured_by(sweep: Sweep) -> str:
        return sweeps.results(sweep).measure

    @staticmethod
    def resolve_jobs(sweep: Sweep) -> list[dict[str, Any]]:
        return [
            {
                "id": row.job.pk,
                "name": row.job.name,
                "status": row.job.state,
                "values": {name: row.job.parameters.get(name) for name in sweep.grid},
                "measure": row.measure,
                "is_best": row.is_best,
            }
            for row in sweeps.results(sweep).rows
        ]
