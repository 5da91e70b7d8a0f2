"""What models cost, by day."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.rates import NOT_RATES, read_off_peak, read_tiers


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


class Rated(models.Model):
    """What something costs from a day on. Rates are per million tokens; None is unknown, zero is a
    price."""

    currency = models.CharField(
        _("currency"), max_length=3, choices=Currency.choices, default=Currency.USD
    )
    input_per_mtok = _rate(_("input"))
    output_per_mtok = _rate(_("output"))
    cached_input_per_mtok = _rate(_("cached input"))
    cache_write_per_mtok = _rate(_("cache write"))
    reasoning_per_mtok = _rate(_("reasoning"))
    valid_from = models.DateField(_("valid from"), default=timezone.localdate)

    class Meta:
        abstract = True


class OwnPrice(Rated):
    """What a person says that one model of one connection costs: it comes before the price table
    from its day on."""

    model = models.ForeignKey(
        "providers.ProviderModel",
        models.CASCADE,
        related_name="own_prices",
        verbose_name=_("model"),
    )

    class Meta:
        verbose_name = _("own price")
        verbose_name_plural = _("own prices")
        ordering = ["-valid_from"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["model", "valid_from"], name="one_own_price_a_day")
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.valid_from}"


class ModelPrice(Rated):
    """What a model costs from a day on, and what it can do.

    `tiers` replace the rates of a whole call once its input is above a limit:
    [{"above_input_tokens": 200000, "input": 4, "output": 18, "cached_input": 0.4}]. `off_peak`
    replaces them in time windows, see `providers.prices`.
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
    per_query = _rate(_("per search query"))
    tiers = models.JSONField(_("tiers by input tokens"), default=list, blank=True)
    off_peak = models.JSONField(_("off-peak"), default=dict, blank=True)
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
