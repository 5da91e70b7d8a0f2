"""Names behind which several models stand, and how those models are."""

from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models.connections import ProviderModel, changeable_by, visible_to


class Strategy(models.TextChoices):
    """How an alias chooses among its models."""

    ORDER = "order", _("In order")
    WEIGHT = "weight", _("By weight")
    LATENCY = "latency", _("Fastest first")
    COST = "cost", _("Cheapest first")


class AliasQuerySet(models.QuerySet["Alias"]):
    def for_user(self, user: User) -> Self:
        return self.filter(visible_to(user))

    def editable_by(self, user: User) -> Self:
        return self.filter(changeable_by(user))


class Alias(models.Model):
    """A name of the gateway behind which several models stand. Without an owner it is everyone's.

    Where a model fails before its first token, the next one answers.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="aliases",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    strategy = models.CharField(
        _("strategy"), max_length=10, choices=Strategy.choices, default=Strategy.ORDER
    )
    retries = models.PositiveSmallIntegerField(
        _("further rounds"),
        default=1,
        validators=[MaxValueValidator(5)],
        help_text=_("How often all models are tried again, after a pause, where none answered."),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = AliasQuerySet.as_manager()

    class Meta:
        verbose_name = _("alias")
        verbose_name_plural = _("aliases")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class AliasMember(models.Model):
    """One model behind an alias; `weight` counts only for the strategy of that name."""

    alias = models.ForeignKey(Alias, models.CASCADE, related_name="members")
    model = models.ForeignKey(ProviderModel, models.CASCADE, related_name="memberships")
    position = models.PositiveIntegerField(_("position"), default=0)
    weight = models.PositiveIntegerField(
        _("weight"), default=1, validators=[MinValueValidator(1), MaxValueValidator(1000)]
    )

    class Meta:
        verbose_name = _("model of an alias")
        verbose_name_plural = _("models of an alias")
        ordering = ["position", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["alias", "model"], name="a_model_once_in_an_alias")
        ]

    def __str__(self) -> str:
        return f"{self.alias}: {self.model}"


class CircuitState(models.TextChoices):
    CLOSED = "closed", _("Answers")
    OPEN = "open", _("Resting")
    HALF_OPEN = "half_open", _("On trial")


class ModelHealth(models.Model):
    """What the gateway last found about a model: written when its state changes, read by every
    process, so that one learns from another."""

    model = models.OneToOneField(ProviderModel, models.CASCADE, related_name="health")
    state = models.CharField(
        _("state"), max_length=10, choices=CircuitState.choices, default=CircuitState.CLOSED
    )
    failures = models.PositiveIntegerField(_("failures in a row"), default=0)
    reason = models.CharField(_("reason"), max_length=40, blank=True)
    retry_at = models.DateTimeField(_("next try"), null=True, blank=True)
    ttft_ms = models.FloatField(_("time to first token (ms)"), null=True, blank=True)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now)

    class Meta:
        verbose_name = _("health of a model")
        verbose_name_plural = _("health of models")

    def __str__(self) -> str:
        return f"{self.model} {self.state}"
