"""What the datasets API reads and writes."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from llmplatform.schemas import Answer, Paging, Schema, Str
from training.dataset_lineage import same_name
from training.dataset_texts import listed
from training.models import Dataset


class ErrorOut(Answer):
    """Why a record was not used; `line` is where it starts, `record` its number in the file;
    `fate` what the trainer would have done: kept, dropped or stops."""

    line: int
    record: int
    code: str
    reason: str
    fix: str
    fate: str


class ReasonOut(Answer):
    code: str
    count: int
    title: str
    fix: str
    fates: dict[str, int]


class PlaceOut(Answer):
    line: int
    record: int
    sample: str = Field(description="Beginning and end.")


class FindingOut(Answer):
    """Secrets or personal data in accepted records: the first places, never the whole of one."""

    kind: str
    title: str
    count: int
    records: int
    places: list[PlaceOut]


class ReportOut(Answer):
    items: list[ErrorOut]
    count: int
    reasons: list[ReasonOut]
    findings: list[FindingOut]


class ReportIn(Paging):
    code: str = Field("", description="Only rejections for this reason.")


class DatasetRow(Answer):
    id: int
    name: str
    format: str
    stages: list[str]
    records: int
    rejected: int
    size_bytes: int
    pictures: int = Field(description="Different ones that the records name.")
    picture_bytes: int
    sha256: str
    duplicates: int | None = Field(description="Records equal to an earlier one.")
    version: int
    created_at: datetime


class DatasetOut(DatasetRow):
    errors: list[ErrorOut] = Field(description="The first 100 rejections.")
    ignored: list[str] = Field(description="Columns of the file that no trainer reads.")
    placeholders: list[str] = Field(description="Names found as {{name}} in the texts.")
    layout: dict[str, Any] = Field(description="The file's entry in dataset_info.json.")
    mapping: dict[str, Any] = Field(description="How the file was read and its columns mapped.")
    family: UUID = Field(description="Shared by all versions of a dataset.")
    parent: int | None = Field(None, alias="parent_id", description="What it was made from.")
    change: dict[str, Any] = Field(description="How it was made: kind, counts, record numbers.")
    author: str | None
    same_name: list[int] = Field(description="Other datasets of yours that are called the same.")

    @staticmethod
    def resolve_errors(dataset: Dataset) -> list[dict[str, Any]]:
        return listed(dataset.errors)

    @staticmethod
    def resolve_author(dataset: Dataset) -> str | None:
        return dataset.author.email if dataset.author else None

    @staticmethod
    def resolve_same_name(dataset: Dataset) -> list[int]:
        return [other.pk for other in same_name(dataset)]


class RecordsOut(Answer):
    items: list[dict[str, Any]]
    count: int


class ReadingIn(Schema):
    """How the file is to be read; what is left empty is found out or stays as usual."""

    encoding: Str = Field("", description="utf-8, gb18030, big5, shift_jis, cp1252, utf-16, utf-32")
    delimiter: Str = Field("", description="Of a table: , ; | or tab. Empty: found out.")
    quote: Str = Field("", description="Of a table: \" (usual), ' or none.")
    has_header: bool = Field(True, description="Whether a table's first row names the columns.")
    split: Str = Field("", description="Of plain text: paragraphs (usual), lines or blocks.")
    block_chars: int | None = Field(None, description="Length of a block, 50 to 100,000.")


class MappingIn(Schema):
    """Which column becomes which. `columns`: names of the format and the paths of the file, such
    as {"instruction": "question", "output": "answers.0.text"}; `roles`: in conversations the
    fields `role` and `content` of a turn, and what `user`, `assistant`, `system`, `call` and
    `result` are called, several parted by commas."""

    format: Str
    columns: dict[str, Str] = Field(max_length=20)
    roles: dict[str, Str] = Field({}, max_length=10)


class RowsReadingIn(ReadingIn):
    rows: Str = Field(
        "", description="Where lists of records lie inside of JSON: data.paragraphs.qas"
    )


class DraftIn(Schema):
    mapping: MappingIn
    reading: RowsReadingIn = Field(default_factory=lambda: RowsReadingIn.model_validate({}))


class DraftImportIn(DraftIn):
    name: Str = Field("", max_length=100)


class DraftRow(Answer):
    id: UUID
    name: str
    file_name: str
    size_bytes: int
    created_at: datetime


class ColumnOut(Answer):
    name: str
    samples: list[str]


class DraftOut(DraftRow):
    """`problem`: why the file cannot be read as it is; `guess`: a mapping to begin with."""

    columns: list[ColumnOut]
    paths: list[str] = Field(description="Where lists of records lie inside of the values.")
    reading: dict[str, Any]
    guess: MappingIn
    problem: str


class PreviewRowOut(Answer):
    line: int
    record: int
    turns: list[dict[str, str]]
    reason: str = Field(description="Empty where the record can be used.")


class PreviewOut(Answer):
    items: list[PreviewRowOut]


class RecordTokensIn(Schema):
    """Which training the tokens are for."""

    record: int = Field(0, ge=0, description="Position in the stored file, from 0.")
    base_model: int = Field(0, description="Whose tokenizer and template; has to be given.")
    stage: Str = Field("", description="Empty: the first that the dataset serves.")
    template: Str = Field("", description="Empty: that of the base model.")
    cutoff_len: int | None = None
    train_on_prompt: bool = False
    mask_history: bool = False


class Piece(Answer):
    """Tokens that together are some text; mostly one."""

    text: str
    tokens: list[int]
    is_learned: bool
    is_special: bool = False
    picture: int | None = Field(None, description="How many tokens a picture, or a row, became.")


class SequenceOut(Answer):
    """`name`: chosen or rejected for preference pairs, else empty. `cut`: tokens behind the
    cutoff length; `rest`: tokens that `pieces` leaves out."""

    name: str
    length: int
    full_length: int
    cut: int
    learned: int
    pieces: list[Piece]
    rest: int


class RecordTokensOut(Answer):
    state: str = Field(description="ready, pending (ask again) or failed")
    error: str
    sequences: list[SequenceOut]


class FillIn(Schema):
    values: dict[str, Str] = Field(max_length=20)
    name: Str = Field("", max_length=100)


class RecordOut(Answer):
    number: int
    record: dict[str, Any]


class RecordIn(Schema):
    record: dict[str, Any]


class FoundOut(Answer):
    items: list[RecordOut]
    cursor: str | None = Field(description="Goes on behind these; null: that was all.")
    searched_percent: int


class UploadIn(Schema):
    file_name: Str = Field(min_length=1, max_length=200)
    size_bytes: int = Field(ge=0)
    fingerprint: Str = Field("", max_length=64, description="To find this upload again.")
    name: Str = Field("", max_length=100)
    format: Str = Field("auto", max_length=20)
    reading: ReadingIn | None = None


class UploadOut(Answer):
    id: UUID
    file_name: str
    size_bytes: int
    received_bytes: int
    fingerprint: str
    chunk_bytes: int = Field(description="A good size for a piece.")
    created_at: datetime


class WorkOut(Answer):
    id: UUID
    kind: str
    status: str
    phase: str
    done: int
    total: int = Field(description="Of this phase, in bytes or records; 0: not known.")
    dataset: int | None = Field(None, alias="dataset_id")
    results: list[int] = Field(description="The datasets it made.")
    error: str
    error_code: str
    reasons: list[str]
    created_at: datetime
    finished_at: datetime | None


class ExcludeIn(Schema):
    numbers: list[int] = Field([], max_length=10_000, description="Records, counted from 1.")
    duplicates: Literal["", "exact", "near"] = ""


class AppendIn(Schema):
    records: list[dict[str, Any]] = Field([], max_length=1000)
    dataset: int | None = None


class SplitIn(Schema):
    share: float = Field(0.1, description="Of the records, for evaluation.")
    seed: int = 42
    together: str = Field("near", description="What stays on one side: near or exact duplicates.")


class SourceIn(Schema):
    dataset: int
    weight: float = 1.0


class MixIn(Schema):
    name: Str = Field(min_length=1, max_length=100)
    sources: list[SourceIn] = Field(min_length=1, max_length=20)
    seed: int = Field(42, ge=0, le=2**31 - 1)


class SideOut(Answer):
    count: int
    items: list[RecordOut]


class ComparisonOut(Answer):
    old: int
    new: int
    kept: int
    removed: SideOut
    added: SideOut


class StatisticsIn(Schema):
    base_model: int | None = Field(None, description="Whose tokenizer counts the tokens.")


class TokensOut(Answer):
    base_model: int
    name: str
    total: int
    mean: float
    median: int
    p95: int
    longest: int
    cutoff: int
    cut_off: int = Field(description="Records longer than `cutoff`.")
    cut_off_share: float
    tokens_lost: int
    lengths: list[list[int]] = Field(description="[[tokens, records]]")


class StatisticsOut(Answer):
    texts: dict[str, Any] | None
    tokens: list[TokensOut]


class UsedBy(Answer):
    id: UUID | int
    name: str


class LineageOut(Answer):
    jobs: list[UsedBy]
    models: list[UsedBy]
    deployments: list[UsedBy]
    derived: list[UsedBy]
