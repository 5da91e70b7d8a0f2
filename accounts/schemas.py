"""What the accounts API reads and writes."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from llmplatform.schemas import Amount, Answer, Name, Schema, Str


class Credentials(Schema):
    email: Str = Field(max_length=254)
    password: str = Field(max_length=4096)


class PasswordChange(Schema):
    old_password: str = Field(max_length=4096)
    new_password: str = Field(max_length=4096)


class UserOut(Answer):
    id: int
    email: str
    role: str


class ProfileOut(UserOut):
    language: str
    theme: str


class TokenOut(Answer):
    access_token: str
    token_type: str = "bearer"
    expires_in: int
    user: UserOut


ModelName = Annotated[Str, Field(min_length=1, max_length=310)]
Budget = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=4)]


class KeyLimits(Schema):
    """null: no limit. Days and months begin at midnight UTC; `budget_usd` never resets."""

    expires_at: datetime | None = None
    rpm: int | None = Field(None, ge=1, le=1_000_000)
    tpm: int | None = Field(None, ge=1, le=2_000_000_000)
    max_parallel: int | None = Field(None, ge=1, le=100_000)
    budget_day_usd: Budget | None = None
    budget_month_usd: Budget | None = None
    budget_usd: Budget | None = None


class KeyIn(KeyLimits):
    name: Name
    models: list[ModelName] = Field([], max_length=1000)


class KeyPatch(KeyLimits):
    """What is left out stays as it is."""

    name: Name | None = None
    models: list[ModelName] | None = Field(None, max_length=1000)


class KeyOut(Answer):
    id: int
    name: str
    prefix: str
    models: list[str] = Field(validation_alias="allowed_models")
    rpm: int | None
    tpm: int | None
    max_parallel: int | None
    budget_day_usd: Amount | None
    budget_month_usd: Amount | None
    budget_usd: Amount | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewKeyOut(KeyOut):
    key: str


class AuditOut(Answer):
    id: int
    at: datetime
    actor: str
    action: str
    target_type: str
    target_id: str
    target: str
    address: str
    before: dict[str, object] | None
    after: dict[str, object] | None


class NoticeOut(Answer):
    id: int
    title: str
    text: str
    path: str = Field(description="Of the page that it is about.")
    level: str = Field(description="success, warning, error or info.")
    created_at: datetime
    read_at: datetime | None


class ReadIn(Schema):
    ids: list[int] | None = Field(None, max_length=1000, description="null: all of them.")


class ChannelIn(Schema):
    kind: Str = Field(max_length=10, description="email, webhook, dingtalk, lark or wecom.")
    name: Name
    address: Str = Field("", max_length=1000)
    secret: str = Field("", max_length=200)


class ChannelPatch(Schema):
    """What is left out stays."""

    name: Name = ""
    address: Str = Field("", max_length=1000)
    secret: str = Field("", max_length=200)
    is_enabled: bool = True


class ChannelOut(Answer):
    id: int
    kind: str
    name: str
    is_enabled: bool
    created_at: datetime


class ChannelTestOut(Answer):
    is_sent: bool
    error: str
