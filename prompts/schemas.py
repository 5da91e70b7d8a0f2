"""What the prompts API reads and writes."""

from datetime import date, datetime
from typing import Any

from pydantic import Field

from llmplatform.schemas import Answer, Schema, Str
from prompts.variables import VariableType

VARIABLES = "What each {{place}} takes; one that is left out is a text."
NOTE = "What changed; stands beside the version."
BASED_ON = "The version that was edited: refused if another was saved meanwhile."


class VariableIn(Schema):
    name: Str
    type: VariableType = VariableType.TEXT
    label: Str = ""
    required: bool = True
    default: Str | None = None
    help: Str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: list[Str] = []
    checked_text: Str = Field("yes", description="What a ticked checkbox stands for.")
    unchecked_text: Str = "no"


class VersionIn(Schema):
    text: Str = Field(min_length=1, max_length=50_000)
    variables: list[VariableIn] = Field([], max_length=50, description=VARIABLES)
    note: Str = Field("", max_length=200, description=NOTE)
    labels: list[Str] = Field([], max_length=20, description="Move to the new version.")
    based_on: int | None = Field(None, description=BASED_ON)


class PromptIn(Schema):
    title: Str = Field(min_length=1, max_length=200)
    text: Str = Field(min_length=1, max_length=50_000)
    description: Str = Field("", max_length=300)
    variables: list[VariableIn] = Field([], max_length=50, description=VARIABLES)
    tags: list[Str] = Field([], max_length=50)
    note: Str = Field("", max_length=200, description=NOTE)
    is_shared: bool = False
    everyone_edits: bool = Field(False, description="Holds for shared prompts.")
    is_company: bool = Field(False, description="Without an owner; administrators only.")


class PromptPatch(Schema):
    title: Str | None = Field(None, min_length=1, max_length=200)
    text: Str | None = Field(None, min_length=1, max_length=50_000)
    description: Str | None = Field(None, max_length=300)
    variables: list[VariableIn] | None = Field(None, max_length=50, description=VARIABLES)
    tags: list[Str] | None = Field(None, max_length=50)
    note: Str | None = Field(None, max_length=200, description=NOTE)
    based_on: int | None = Field(None, description=BASED_ON)
    is_shared: bool | None = None
    everyone_edits: bool | None = None


class VariableOut(Answer):
    name: str
    type: str
    label: str
    required: bool
    default: str | None
    help: str
    minimum: float | None
    maximum: float | None
    choices: list[str]
    checked_text: str
    unchecked_text: str


def _email(owner: Any) -> str:
    return str(owner.email) if owner is not None else ""


class PromptOut(Answer):
    id: int
    title: str
    description: str
    text: str = Field(description="Of the latest version.")
    variables: list[VariableOut]
    version: int = Field(alias="number", description="The latest.")
    labels: dict[str, int] = Field(description="The version that each label points at.")
    tags: list[str]
    is_shared: bool
    everyone_edits: bool
    is_company: bool
    preset: str = Field(description="The platform's name for one of its presets, else empty.")
    language: str = Field(description="Of a preset.")
    is_favourite: bool
    owner: str = Field(description="E-mail address; empty for the company's.")
    uses: int
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_is_company(prompt: Any) -> bool:
        return prompt.owner_id is None

    @staticmethod
    def resolve_owner(prompt: Any) -> str:
        return _email(prompt.owner)

    @staticmethod
    def resolve_labels(prompt: Any) -> dict[str, int]:
        return {label.name: label.version.number for label in prompt.labels.all()}


class VersionOut(Answer):
    number: int
    text: str
    variables: list[VariableOut]
    labels: list[str]
    note: str
    author: str
    created_at: datetime

    @staticmethod
    def resolve_labels(version: Any) -> list[str]:
        return [label.name for label in version.labels.all()]

    @staticmethod
    def resolve_author(version: Any) -> str:
        return _email(version.author)


class PromptLabelIn(Schema):
    name: Str = Field(min_length=1, max_length=40)
    version: int = Field(ge=1)


class LabelOut(Answer):
    name: str
    version: int
    is_protected: bool
    moved_at: datetime

    @staticmethod
    def resolve_version(label: Any) -> int:
        return int(label.version.number)


class RestoreIn(Schema):
    note: Str = Field("", max_length=200, description=NOTE)


class LineOut(Answer):
    kind: str = Field(description="same, removed or added.")
    text: str
    left: int | None
    right: int | None


class DifferenceOut(Answer):
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class ComparisonOut(Answer):
    lines: list[LineOut]
    variables: list[DifferenceOut]


class RenderIn(Schema):
    variables: dict[Str, Str | int | float | bool] = Field({}, max_length=200)
    version: int | None = Field(None, ge=1)
    label: Str = Field("", max_length=40, description="With neither: `production`, else latest.")


class RenderOut(Answer):
    text: str
    version: int
    label: str = Field(description="By which the version was found; empty by its number.")


class UsesOut(Answer):
    date: date
    version: int
    label: str
    uses: int


class PromptImportIn(Schema):
    prompts: list[dict[str, Any]] = Field(max_length=2000, description="As in an export.")
    format: Str = ""
    version: int = 1
    exported_at: Str = ""


class KnownOut(Answer):
    entry: int = Field(description="Its place, from 1.")
    title: str


class RefusedOut(KnownOut):
    reasons: list[str]


class ImportOut(Answer):
    made: list[int] = Field(description="Ids of the new prompts.")
    known: list[KnownOut] = Field(description="What one has already.")
    refused: list[RefusedOut]
