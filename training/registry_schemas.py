"""What the API of the registry reads and writes: labels, lineage, comparison."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from llmplatform.schemas import Answer, Name, Schema, Str
from training.models import LabelMove, ModelExport
from training.schemas import JobError, workload_error


class VersionFilter(Schema):
    model: Str = Field("", max_length=100, description="Versions of the model of this name.")
    label: Str = Field("", max_length=40)
    archived: bool = Field(False, description="Those that were put away instead.")


class VersionChange(Schema):
    """What is left out stays."""

    notes: Str | None = Field(None, max_length=10_000)
    archived: bool | None = None
    model: Name | None = Field(None, description="The name of the model it is a version of.")


class LabelIn(Schema):
    label: Str = Field(max_length=40, description="candidate, production or one of your own.")
    reason: Str = Field(
        "", max_length=2000, description="Why an administrator decides against the checks."
    )


class RollbackIn(Schema):
    label: Str = Field("production", max_length=40)


class WaiverIn(Schema):
    label: Str = Field("production", max_length=40)
    reason: Str = Field(max_length=2000)


class ProblemOut(Answer):
    gate: str
    title: str
    text: str


class GateOut(Answer):
    """What stands against a label; nothing where it may be given."""

    label: str
    problems: list[ProblemOut]


class WaiverOut(Answer):
    label: str
    reason: str
    at: datetime


class LabelMoveOut(Answer):
    label: str
    from_version: int | None
    to_version: int | None
    by: str | None
    reason: str
    overridden: list[str]
    is_rollback: bool
    at: datetime

    @staticmethod
    def resolve_label(move: LabelMove) -> str:
        return move.name

    @staticmethod
    def resolve_from_version(move: LabelMove) -> int | None:
        return move.from_version_id

    @staticmethod
    def resolve_to_version(move: LabelMove) -> int | None:
        return move.to_version_id

    @staticmethod
    def resolve_by(move: LabelMove) -> str | None:
        return move.actor.email if move.actor else None


class GraphNodeOut(Answer):
    id: str
    kind: str = Field(description="base_model, dataset, job, version, export or deployment.")
    title: str
    detail: str
    is_here: bool = Field(description="False where only the record of it is left.")


class GraphOut(Answer):
    nodes: list[GraphNodeOut]
    edges: list[tuple[str, str]]


class DifferenceOut(Answer):
    section: str
    name: str
    left: Any
    right: Any
    differs: bool


class ComparisonOut(Answer):
    left: int
    right: int
    rows: list[DifferenceOut]


class ExportIn(Schema):
    format: Str = Field("merged", max_length=10, description="merged or gguf.")


class BaseFromExport(Schema):
    name: Str = Field("", max_length=100, description="That of the version unless given.")


class ExportOut(Answer):
    id: UUID
    version: int
    format: str
    status: str
    progress: float
    size_bytes: int
    node: str | None
    error: JobError | None
    is_here: bool = Field(description="Whether its files can be downloaded.")
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def resolve_version(export: ModelExport) -> int:
        return export.version_id

    @staticmethod
    def resolve_status(export: ModelExport) -> str:
        return str(export.state)

    @staticmethod
    def resolve_node(export: ModelExport) -> str | None:
        return export.node.name if export.node else None

    @staticmethod
    def resolve_error(export: ModelExport) -> dict[str, str] | None:
        return workload_error(export)
