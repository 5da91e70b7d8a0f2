"""What the accounts API reads and writes."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from llmplatform.schemas import Answer, Name, Schema, Str


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


class KeyIn(Schema):
    name: Name
    expires_at: datetime | None = None
    models: list[Str] = []
    rpm: int | None = Field(None, ge=1, le=1_000_000)
    budget_usd: Decimal | None = Field(None, ge=0, max_digits=12, decimal_places=4)


class KeyOut(Answer):
    id: int
    name: str
    prefix: str
    models: list[str] = Field(validation_alias="allowed_models")
    rpm: int | None
    budget_usd: Decimal | None
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
