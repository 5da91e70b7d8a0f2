"""What the API of the price table reads and writes. Rates are per million tokens; null is unknown,
0 is a price."""

from datetime import date
from typing import Any, Literal

from pydantic import Field

from llmplatform.schemas import Amount, Answer, Paging, Schema, Str
from providers.schemas import Rate


class PriceQuery(Paging):
    q: Str = Field("", max_length=200, description="Parts of the model id or the provider.")
    provider: Str = Field("", max_length=40, description="A preset's short name, or *.")
    currency: Literal["", "USD", "CNY"] = ""
    edited: bool | None = Field(None, description="Entered by a person, or not.")
    history: bool = Field(False, description="Prices that no longer apply, too.")


class TierIn(Schema):
    """The rates of a whole call whose input is above so many tokens."""

    above_input_tokens: int = Field(ge=1, le=2**31 - 1)
    input: float | None = Field(None, ge=0)
    output: float | None = Field(None, ge=0)
    cached_input: float | None = Field(None, ge=0)
    cache_write: float | None = Field(None, ge=0)
    reasoning: float | None = Field(None, ge=0)


class PriceRowIn(Schema):
    """A price of the table from a day on. What is left out is unknown."""

    provider: Str = Field(max_length=40, description="A preset's short name, or * for all.")
    model: Str = Field(
        min_length=1, max_length=200, description="The exact id, or a pattern with *."
    )
    valid_from: date | None = Field(None, description="Today or later; without it today.")
    currency: Literal["USD", "CNY"] = "USD"
    input: Rate = None
    output: Rate = None
    cached_input: Rate = None
    cache_write: Rate = None
    reasoning: Rate = None
    per_query: Rate = Field(None, description="For rerankers that count search queries.")
    tiers: list[TierIn] = Field(default_factory=list, max_length=6)
    off_peak: dict[str, Any] = Field(default_factory=dict)


class PriceRowOut(Answer):
    id: int
    provider: str = Field(validation_alias="provider_slug")
    model: str = Field(validation_alias="model_pattern")
    valid_from: date
    currency: str
    input: Amount | None = Field(validation_alias="input_per_mtok")
    output: Amount | None = Field(validation_alias="output_per_mtok")
    cached_input: Amount | None = Field(validation_alias="cached_input_per_mtok")
    cache_write: Amount | None = Field(validation_alias="cache_write_per_mtok")
    reasoning: Amount | None = Field(validation_alias="reasoning_per_mtok")
    per_query: Amount | None
    tiers: list[dict[str, Any]]
    off_peak: dict[str, Any]
    source: str
    is_edited: bool = Field(description="Entered by a person: no refresh takes its place.")
