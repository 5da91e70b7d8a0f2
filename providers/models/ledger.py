"""A row for every call, with what it cost."""

import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models.connections import ProviderModel
from providers.models.prices import ModelPrice, OwnPrice


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
# Nor did those who revoked the key of a call that was running.
KEY_ENDED = "key_ended"
LIMIT_CODES = (
    "rate_limit_exceeded",
    "concurrency_limit_exceeded",
    "budget_reserved",
    "budget_exceeded",
)
# The platform said no, and no provider was asked. Older rows say "failed" of these calls, too: they
# name no provider, or a limit.
REFUSED = Q(status="refused") | (
    Q(status="failed")
    & (Q(error_code__in=LIMIT_CODES) | (Q(provider_label="") & ~Q(error_code="internal")))
)
FAILED = ~Q(status__in=ENDED_WELL) & ~Q(error_code=KEY_ENDED) & ~REFUSED
# A call that failed before its first token cost nothing that anybody would miss.
UNKNOWN_COST = Q(cost=None) & ~Q(status__in=("failed", "refused"), ttft_ms=None)
# What such a call has as its model is what a caller mistyped.
NAMES_NO_MODEL = Q(provider_label="", error_code="model_not_found")


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

    `cost` is in `currency`, from `cost_source`; it was computed with `price`, a row of the price
    table, or `own_price`, the model's own. `call_id` keeps a repeated write from adding a
    second row; None in rows that are older than it.
    """

    call_id = models.UUIDField(default=uuid.uuid4, null=True, unique=True, editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now, db_index=True)
    kind = models.CharField(_("kind"), max_length=20, choices=Charged.choices, default=Charged.CHAT)
    # Found by their indexes with `at`: each index more slows every call down.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="calls", db_index=False
    )
    api_key = models.ForeignKey(
        "accounts.ApiKey", models.SET_NULL, null=True, related_name="calls", db_index=False
    )
    model = models.ForeignKey(
        ProviderModel, models.SET_NULL, null=True, related_name="calls", db_index=False
    )
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
    alias_label = models.CharField(_("alias"), max_length=100, blank=True)
    attempts = models.JSONField(
        _("attempts"),
        default=list,
        blank=True,
        help_text=_("What was tried before the model that answered."),
    )
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
    # Nobody looks calls up by it, and each index slows every call down.
    own_price = models.ForeignKey(
        OwnPrice,
        models.SET_NULL,
        null=True,
        related_name="+",
        db_index=False,
        verbose_name=_("own price"),
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

    def let_go_of_deleted(self) -> None:
        """Before it is saved: what it points at may be gone since; the labels still tell."""
        for name in ("user", "api_key", "model", "price", "own_price"):
            related: Any = self._meta.get_field(name).related_model
            pk = getattr(self, f"{name}_id")
            if pk is not None and not related._base_manager.filter(pk=pk).exists():
                setattr(self, f"{name}_id", None)
