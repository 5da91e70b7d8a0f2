"""What the providers API reads and writes."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.utils import timezone
from pydantic import Field

from llmplatform.schemas import Amount, Answer, Name, Schema, Str
from providers.models import Provider, ProviderModel
from providers.presets import Address, Preset
from providers.prices import own_price


class AddressOut(Answer):
    url: str
    label: str

    @staticmethod
    def resolve_label(address: Address) -> str:
        return str(address.label)


class PresetOut(Answer):
    slug: str
    kind: str
    name: str
    section: str
    base_urls: list[str]
    addresses: list[AddressOut]
    key_note: str
    needs_key: bool

    @staticmethod
    def resolve_name(preset: Preset) -> str:
        return str(preset.name)

    @staticmethod
    def resolve_key_note(preset: Preset) -> str:
        return str(preset.key_note)


class OAuthIn(Schema):
    """OAuth2 client credentials; the client secret is `api_key`. Empty: the key itself is sent."""

    token_url: Str = Field("", max_length=500)
    client_id: Str = Field("", max_length=300)
    scope: Str = Field("", max_length=500)
    style: Str = Field(
        "basic",
        max_length=10,
        description="Where the client id and secret go: basic (a header), body or query.",
    )


class PatienceIn(Schema):
    """Timeouts in seconds, and retries."""

    connect_timeout_s: int | None = Field(None, ge=1, le=60)
    read_timeout_s: int | None = Field(
        None, ge=1, le=1800, description="Longest silence of a stream, also before it begins."
    )
    answer_timeout_s: int | None = Field(
        None, ge=1, le=7200, description="From the request to the end of the answer."
    )
    retries: int | None = Field(
        None, ge=0, le=5, description="Of calls that failed before their answer began."
    )


class ProviderIn(PatienceIn):
    preset: Str = Field("", max_length=40)
    kind: Str = Field("", max_length=20)
    name: Str = Field("", max_length=100)
    base_url: Str = Field("", max_length=500)
    api_key: Str = Field("", max_length=4000)
    is_shared: bool = False
    profile: dict[str, Any] = Field(default_factory=dict)
    extra_body: dict[str, Any] = Field(default_factory=dict)
    drop_params: list[Str] = Field(default_factory=list, max_length=50)
    oauth: OAuthIn | None = None


class ProviderPatch(PatienceIn):
    name: Str | None = Field(None, max_length=100)
    base_url: Str | None = Field(None, max_length=500)
    api_key: Str | None = Field(None, max_length=4000)
    is_enabled: bool | None = None
    profile: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None
    drop_params: list[Str] | None = Field(None, max_length=50)
    oauth: OAuthIn | None = None


class LastTestOut(Answer):
    """What the latest test of the connection, as it is now, found."""

    at: datetime
    ok: bool
    latency_ms: int | None
    error: str = Field(description="Its code; empty where the provider answered.")


class ProviderOut(Answer):
    id: int
    name: str
    kind: str
    preset: str
    base_url: str
    api_key: str = Field(validation_alias="key_hint", description="Masked.")
    is_enabled: bool
    is_shared: bool
    is_managed: bool
    profile: dict[str, Any]
    extra_body: dict[str, Any]
    drop_params: list[str]
    oauth: dict[str, str] = Field(description="Without the client secret, which is `api_key`.")
    connect_timeout_s: int
    read_timeout_s: int
    answer_timeout_s: int
    retries: int
    app_mode: str = Field(description="What a Dify application says that it is; empty: unknown.")
    refreshed_at: datetime | None
    last_test: LastTestOut | None = Field(
        None, description="Null: not tested since its address, key or settings changed."
    )

    @staticmethod
    def resolve_last_test(provider: Provider) -> dict[str, Any] | None:
        if provider.tested_at is None:
            return None
        return {
            "at": provider.tested_at,
            "ok": provider.is_test_passed,
            "latency_ms": provider.test_latency_ms,
            "error": provider.test_error,
        }

    @staticmethod
    def resolve_is_shared(provider: object) -> bool:
        return getattr(provider, "owner_id", None) is None


class TestOut(Answer):
    ok: bool
    latency_ms: int
    error: dict[str, str] | None = None


class ListedOut(Answer):
    model_id: str
    types: list[str]
    evidence: str = Field(
        "", description="What the types were found by: metadata, table (of prices) or name."
    )
    was: str | None = Field(None, description="In a preview: the id so far, where it is another.")

    @staticmethod
    def resolve_evidence(row: Any) -> str:
        return str(row["evidence"] if isinstance(row, dict) else row.type_evidence)


class RehearsalOut(TestOut):
    models: list[ListedOut]


class UndoOut(Answer):
    models: int = Field(description="How many are as they were before.")


class RefreshOut(Answer):
    added: int
    updated: int
    renamed: int = Field(description="The same models, whose ids are written differently now.")
    missing: int
    kept: int = Field(0, description="Models where a person's edits stay against the list.")
    models: list[ListedOut] = Field(description="All that are listed; in a preview what changes.")
    missing_models: list[str] = Field(default_factory=list, description="In a preview only.")


class ModelIn(Schema):
    model_id: Str = Field(min_length=1, max_length=200)


Rate = Annotated[Decimal | None, Field(ge=0, max_digits=16, decimal_places=6)]


class PriceIn(Schema):
    """Per million tokens. Null is unknown, 0 is a price; cached input and cache writes then cost
    what input does, reasoning what output does."""

    valid_from: date | None = Field(None, description="Without it: today.")
    currency: Literal["USD", "CNY"] = "USD"
    input: Rate = None
    output: Rate = None
    cached_input: Rate = None
    cache_write: Rate = None
    reasoning: Rate = None


class PriceOut(Answer):
    """`id` null: a row of the price table, whose `source` says where it comes from."""

    id: int | None
    valid_from: date
    currency: str
    input: Amount | None
    output: Amount | None
    cached_input: Amount | None
    cache_write: Amount | None
    reasoning: Amount | None
    source: str
    is_current: bool = Field(description="What a call costs now.")


class TablePriceOut(Answer):
    provider: str
    model: str
    currency: str
    input: Amount | None
    output: Amount | None
    cached_input: Amount | None
    tiers: list[dict[str, Any]] = Field(description="Other rates above so many tokens of input.")


class PriceChangeOut(Answer):
    before: TablePriceOut
    after: TablePriceOut


class PriceRefreshIn(Schema):
    digest: Str = Field("", max_length=64)


class PriceRefreshOut(Answer):
    """`kept`: what a person edited, although the package says something else."""

    source: str
    valid_from: date
    digest: str
    added: list[TablePriceOut]
    changed: list[PriceChangeOut]
    kept: list[TablePriceOut]


class ModelPatch(Schema):
    name: Name | None = None
    types: list[Str] | None = Field(None, min_length=1, max_length=10)
    context_tokens: int | None = Field(None, ge=1, le=100_000_000)
    system_prompt: Str | None = Field(None, max_length=20_000)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    price_in_usd_per_mtok: Rate = Field(
        None, description="A price in USD from today on; see `prices` for all there is to say."
    )
    price_out_usd_per_mtok: Rate = None
    is_enabled: bool | None = None


class ModelOut(Answer):
    id: int
    name: str
    model_id: str
    provider: str
    types: list[str]
    context_tokens: int | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    price_in_usd_per_mtok: Amount | None
    price_out_usd_per_mtok: Amount | None
    is_enabled: bool
    missing_since: datetime | None

    @staticmethod
    def resolve_provider(model: ProviderModel) -> str:
        return str(model.provider.name)

    @staticmethod
    def resolve_price_in_usd_per_mtok(model: ProviderModel) -> Decimal | None:
        return _own_usd(model, "input")

    @staticmethod
    def resolve_price_out_usd_per_mtok(model: ProviderModel) -> Decimal | None:
        return _own_usd(model, "output")


def _own_usd(model: ProviderModel, name: str) -> Decimal | None:
    price = own_price(model, timezone.now())
    rate: Decimal | None = getattr(price.rates, name) if price else None
    return rate if price and price.currency == "USD" else None


class UsageQuery(Schema):
    """Days are whole ones in the platform's time zone; both ends are included."""

    from_: date | None = Field(None, alias="from", description="Without it: 30 days up to `to`.")
    to: date | None = Field(None, description="Without it: today.")
    group_by: Str = Field(
        "day",
        max_length=100,
        description="One or several of day, user, key, model, provider, separated by commas.",
    )
    user: Str = Field(
        "",
        max_length=254,
        description="An e-mail address or id. Administrators see everybody without it.",
    )
    limit: int = Field(5000, ge=1, le=50_000)
    offset: int = Field(0, ge=0, le=10_000_000)


class UsageOut(Answer):
    """Only the groups that were asked for are there. Null is unknown, never zero."""

    day: date | None = None
    user: str | None = Field(None, description="E-mail address; null when deleted.")
    user_id: int | None = None
    key: str | None = Field(None, description="The key's name; null for calls without one.")
    key_id: int | None = None
    model: str | None = None
    provider: str | None = None
    calls: int
    failed: int = Field(description="By their provider, or on the way; none of `refused`.")
    refused: int = Field(
        description="By the platform: a limit, a budget, an unknown model, a wrong request."
    )
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    cost: dict[str, Amount] = Field(description="By currency; what is unknown is not in it.")
    unknown_cost_calls: int
    ttft_ms: int | None = Field(description="Mean.")
    duration_ms: int | None = Field(description="Mean.")
