"""How much may be used: the same limits for a key and for a person. None is no limit."""

from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

LIMITS = (
    *("rpm", "tpm", "max_parallel"),
    *("budget_day_usd", "budget_month_usd", "budget_usd"),
)


def _count(name: Any) -> "models.PositiveIntegerField[Any, Any]":
    return models.PositiveIntegerField(
        name, null=True, blank=True, validators=[MinValueValidator(1)]
    )


def _budget(name: Any) -> "models.DecimalField[Any, Any]":
    return models.DecimalField(
        name,
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )


class Limited(models.Model):
    """Days and months begin at midnight in the platform's time zone; `budget_usd` never resets."""

    rpm = _count(_("requests per minute"))
    tpm = _count(_("tokens per minute"))
    max_parallel = _count(_("calls at the same time"))
    budget_day_usd = _budget(_("budget per day (USD)"))
    budget_month_usd = _budget(_("budget per month (USD)"))
    budget_usd = _budget(_("budget in all (USD)"))

    class Meta:
        abstract = True

    @property
    def has_limits(self) -> bool:
        return any(getattr(self, name) is not None for name in LIMITS)


class UserLimits(Limited):
    """What an administrator allows a person, over all of their keys and chats."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="limits")

    class Meta:
        verbose_name = _("limits")
        verbose_name_plural = _("limits")

    def __str__(self) -> str:
        return str(self.user)
