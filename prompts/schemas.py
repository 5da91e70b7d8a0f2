"""What the prompts API reads and writes."""

from datetime import datetime

from pydantic import Field

from llmplatform.schemas import Answer, Schema, Str


class PromptIn(Schema):
    title: Str = Field(min_length=1, max_length=200)
    text: Str = Field(min_length=1, max_length=50_000)
    tags: list[Str] = Field([], max_length=50)
    is_shared: bool = False
    is_company: bool = Field(False, description="Without an owner; administrators only.")


class PromptPatch(Schema):
    title: Str | None = Field(None, min_length=1, max_length=200)
    text: Str | None = Field(None, min_length=1, max_length=50_000)
    tags: list[Str] | None = Field(None, max_length=50)
    is_shared: bool | None = None


class VariableOut(Answer):
    name: str
    default: str | None
    required: bool


class PromptOut(Answer):
    id: int
    title: str
    text: str
    tags: list[str]
    variables: list[VariableOut]
    is_shared: bool
    is_company: bool
    owner: str = Field(description="E-mail address; empty for the company's.")
    uses: int
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_is_company(prompt: object) -> bool:
        return getattr(prompt, "owner_id", None) is None

    @staticmethod
    def resolve_owner(prompt: object) -> str:
        owner = getattr(prompt, "owner", None)
        return str(owner.email) if owner is not None else ""


class RenderIn(Schema):
    variables: dict[Str, Str | int | float | bool] = Field({}, max_length=200)


class RenderOut(Answer):
    text: str
