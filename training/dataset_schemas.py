"""What the datasets API reads and writes."""

from datetime import datetime
from typing import Any

from pydantic import Field

from llmplatform.schemas import Answer, Schema, Str
from training.dataset_texts import listed
from training.models import Dataset


class ErrorOut(Answer):
    """Why a record was not used; `line` is where it starts, `record` its number in the file."""

    line: int
    record: int
    code: str
    reason: str


class DatasetRow(Answer):
    id: int
    name: str
    format: str
    stages: list[str]
    records: int
    rejected: int
    size_bytes: int
    sha256: str
    created_at: datetime


class DatasetOut(DatasetRow):
    errors: list[ErrorOut] = Field(description="The first 100 rejections.")
    ignored: list[str] = Field(description="Columns of the file that no trainer reads.")
    placeholders: list[str] = Field(description="Names found as {{name}} in the texts.")
    layout: dict[str, Any] = Field(description="The file's entry in dataset_info.json.")

    @staticmethod
    def resolve_errors(dataset: Dataset) -> list[dict[str, Any]]:
        return listed(dataset.errors)


class RecordsOut(Answer):
    items: list[dict[str, Any]]
    count: int


class FillIn(Schema):
    values: dict[str, Str] = Field(max_length=20)
    name: Str = Field("", max_length=100)
