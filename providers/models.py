"""Providers, their models, and a row for every call."""

import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.encryption import decrypt, encrypt
from providers.presets import BY_SLUG
from providers.rates import NOT_RATES, read_off_peak, read_tiers
from providers.types import Profile, Target


class Kind(models.TextChoices):
    OPENAI = "openai", _("OpenAI-compatible")
    AZURE = "azure", "Azure OpenAI"
    RESPONSES = "responses", _("OpenAI Responses")
    ANTHROPIC = "anthropic", "Anthropic"
    GEMINI = "gemini", "Google Gemini"
    OLLAMA = "ollama", "Ollama"
    COHERE = "cohere", "Cohere"
    DIFY = "dify", _("Dify application")
    ECHO = "echo", _("Echo")


class ProviderQuerySet(models.QuerySet["Provider"]):
    def for_user(self, user: User) -> Self:
        """Their own and the company's."""
        return self.filter(Q(owner=user) | Q(owner=None))

    def editable_by(self, user: User) -> Self:
        mine = Q(owner=user) | (Q(owner=None) if user.is_admin else Q(pk__in=[]))
        return self.filter(mine, is_managed=False)


class Provider(models.Model):
    """Where models live. Without an owner it belongs to the company."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="providers",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices, default=Kind.OPENAI)
    preset = models.CharField(_("preset"), max_length=40, blank=True)
    base_url = models.CharField(_("base URL"), max_length=500, blank=True)
    credential = models.TextField(_("credential"), blank=True, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    is_managed = models.BooleanField(
        _("managed"),
        default=False,
        editable=False,
        help_text=_("Made by the platform for a deployment; it comes and goes with it."),
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    refreshed_at = models.DateTimeField(_("models refreshed"), null=True, editable=False)

    objects = ProviderQuerySet.as_manager()

    class Meta:
        verbose_name = _("provider")
        verbose_name_plural = _("providers")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def set_key(self, key: str) -> None:
        self.credential = encrypt(key)

    @property
    def key_hint(self) -> str:
        """The last four characters of the key, for recognition only."""
        key = decrypt(self.credential)
        return f"…{key[-4:]}" if len(key) >= 12 else ("…" if key else "")

    def target(self, model_id: str = "") -> Target:
        preset = BY_SLUG.get(self.preset)
        return Target(
            kind=self.kind,
            base_url=self.base_url,
            api_key=decrypt(self.credential),
            model_id=model_id,
            is_managed=self.is_managed,
            provider_id=self.pk,
            provider_name=self.name,
            profile=Profile(**preset.profile_at(self.base_url)) if preset else Profile(),
            extra_body=preset.extra_body if preset else {},
            drop_params=preset.drop_params if preset else (),
        )


class ProviderModelQuerySet(models.QuerySet["ProviderModel"]):
    def for_user(self, user: User) -> Self:
        return self.filter(Q(provider__owner=user) | Q(provider__owner=None))

    def usable(self) -> Self:
        return self.filter(is_enabled=True, missing_since=None, provider__is_enabled=True)

    def chat(self) -> Self:
        """Rows whose main type is chat, or that nobody has typed."""
        return self.filter(main_type="chat")


class ProviderModel(models.Model):
    """One model of a provider. Fields named in `edited` are a person's and survive a refresh."""

    provider = models.ForeignKey(Provider, models.CASCADE, related_name="models")
    model_id = models.CharField(_("model id"), max_length=200)
    name = models.CharField(_("name"), max_length=200)
    main_type = models.CharField(_("type"), max_length=20, default="chat", db_index=True)
    types = models.JSONField(_("types"), default=list)
    type_evidence = models.CharField(_("evidence"), max_length=20, default="name")
    context_tokens = models.PositiveIntegerField(_("context window"), null=True, blank=True)
    system_prompt = models.TextField(_("system prompt"), blank=True)
    temperature = models.FloatField(_("temperature"), null=True, blank=True)
    top_p = models.FloatField("top_p", null=True, blank=True)
    max_tokens = models.PositiveIntegerField(_("longest answer"), null=True, blank=True)
    price_in_usd_per_mtok = models.DecimalField(
        _("price in (USD per million tokens)"),
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
    )
    price_out_usd_per_mtok = models.DecimalField(
        _("price out (USD per million tokens)"),
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
    )
    edited = models.JSONField(default=list, editable=False)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    missing_since = models.DateTimeField(_("missing since"), null=True, editable=False)

    objects = ProviderModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["provider__name", "model_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "model_id"], name="one_row_per_model")
        ]

    def __str__(self) -> str:
        return f"{self.provider.name}/{self.model_id}"

    @property
    def defaults(self) -> dict[str, float | int]:
        """Parameters a person has set for this model."""
        values = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        return {name: value for name, value in values.items() if value is not None}


class Currency(models.TextChoices):
    USD = "USD", _("US dollar")
    CNY = "CNY", _("Chinese yuan")


def _rate(name: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        name,
        max_digits=16,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )


class ModelPrice(models.Model):
    """What a model costs from a day on, and what it can do. Rates are per million tokens.

    None is unknown, zero is a price. `tiers` replace the rates of a whole call once its input is
    above a limit: [{"above_input_tokens": 200000, "input": 4, "output": 18, "cached_input": 0.4}].
    `off_peak` replaces them in time windows, see `providers.prices`.
    """

    provider_slug = models.CharField(
        _("provider preset"),
        max_length=40,
        default="*",
        help_text=_("The preset's short name, such as deepseek, or * for every provider."),
    )
    model_pattern = models.CharField(
        _("model id"),
        max_length=200,
        help_text=_("The exact id, or a pattern in which * stands for anything."),
    )
    currency = models.CharField(
        _("currency"), max_length=3, choices=Currency.choices, default=Currency.USD
    )
    input_per_mtok = _rate(_("input"))
    output_per_mtok = _rate(_("output"))
    cached_input_per_mtok = _rate(_("cached input"))
    cache_write_per_mtok = _rate(_("cache write"))
    reasoning_per_mtok = _rate(_("reasoning"))
    per_query = _rate(_("per search query"))
    tiers = models.JSONField(_("tiers by input tokens"), default=list, blank=True)
    off_peak = models.JSONField(_("off-peak"), default=dict, blank=True)
    valid_from = models.DateField(_("valid from"), default=timezone.localdate)
    source = models.CharField(_("source"), max_length=200, blank=True)
    is_edited = models.BooleanField(_("edited by a person"), default=False, editable=False)
    main_type = models.CharField(_("type"), max_length=20, blank=True)
    context_tokens = models.PositiveIntegerField(_("context window"), null=True, blank=True)
    max_output_tokens = models.PositiveIntegerField(_("longest answer"), null=True, blank=True)
    dimension = models.PositiveIntegerField(_("dimension"), null=True, blank=True)
    supports_vision = models.BooleanField(_("reads images"), null=True, blank=True)
    supports_reasoning = models.BooleanField(_("reasons"), null=True, blank=True)
    supports_tools = models.BooleanField(_("calls tools"), null=True, blank=True)

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["provider_slug", "model_pattern", "-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider_slug", "model_pattern", "valid_from"], name="one_price_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider_slug}/{self.model_pattern} {self.valid_from}"

    def clean(self) -> None:
        """Tiers and off-peak windows are read while a call is priced: nothing odd gets in."""
        try:
            read_tiers(self.tiers)
        except NOT_RATES as error:
            raise ValidationError({"tiers": _("These are no tiers of a price.")}) from error
        try:
            read_off_peak(self.off_peak)
        except NOT_RATES as error:
            text = _("These are no off-peak windows of a price.")
            raise ValidationError({"off_peak": text}) from error


class Charged(models.TextChoices):
    """What a row of the ledger is for."""

    CHAT = "chat", _("Chat")
    EMBEDDING = "embedding", _("Embedding")
    RERANK = "rerank", _("Rerank")
    JUDGE = "judge", _("Judging")
    GPU_HOURS = "gpu_hours", _("GPU hours")


class CostSource(models.TextChoices):
    UNKNOWN = "", _("unknown")
    PROVIDER = "provider", _("the provider")
    PRICE = "price", _("the price list")


# People who stop an answer made no error.
ENDED_WELL = ("done", "stopped")


class CallRecordQuerySet(models.QuerySet["CallRecord"]):
    """A ledger: rows are added, and that is all."""

    def update(self, **_changes: Any) -> int:
        raise TypeError("call records are never changed")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("call records are never deleted")

    def visible_to(self, user: User) -> Self:
        """Their own; administrators see everybody's."""
        return self if user.is_admin else self.filter(user=user)


class CallRecord(models.Model):
    """One call of a model: who, what, how long, how many tokens. None is unknown, never zero.

    `cost` is in `currency`, from `cost_source`; `price` is the row of the price table it was
    computed with, None for a model's own price. `call_id` keeps a repeated write from adding a
    second row; None in rows that are older than it.
    """

    call_id = models.UUIDField(default=uuid.uuid4, null=True, unique=True, editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Charged.choices, default=Charged.CHAT)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="calls"
    )
    api_key = models.ForeignKey("accounts.ApiKey", models.SET_NULL, null=True, related_name="calls")
    model = models.ForeignKey(ProviderModel, models.SET_NULL, null=True, related_name="calls")
    provider_label = models.CharField(_("provider"), max_length=100, blank=True)
    model_label = models.CharField(_("model"), max_length=200, blank=True)
    source = models.CharField(_("source"), max_length=20)
    status = models.CharField(_("status"), max_length=20)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), null=True)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), null=True)
    reasoning_tokens = models.PositiveIntegerField(_("reasoning tokens"), null=True)
    cached_tokens = models.PositiveIntegerField(_("cached tokens"), null=True)
    cache_write_tokens = models.PositiveIntegerField(_("tokens written to the cache"), null=True)
    is_estimated = models.BooleanField(_("tokens estimated"), default=False)
    cost = models.DecimalField(_("cost"), max_digits=20, decimal_places=10, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    cost_source = models.CharField(
        _("cost according to"),
        max_length=10,
        choices=CostSource.choices,
        default=CostSource.UNKNOWN,
        blank=True,
    )
    price = models.ForeignKey(
        ModelPrice, models.SET_NULL, null=True, related_name="+", verbose_name=_("price")
    )
    ttft_ms = models.PositiveIntegerField(_("time to first token (ms)"), null=True)
    duration_ms = models.PositiveIntegerField(_("duration (ms)"), null=True)

    objects = CallRecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("call")
        verbose_name_plural = _("calls")
        ordering = ["-at", "-pk"]
        indexes: ClassVar = [
            models.Index(fields=["user", "at"], name="calls_of_user"),
            models.Index(fields=["api_key", "at"], name="calls_of_key"),
            models.Index(fields=["model", "at"], name="calls_of_model"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.model_label} {self.status}"
