"""What a training was expected to take, and what it took: the next estimate learns from both."""

from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.jobs import TrainingJob


class Forecast(models.Model):
    """One row a job. `rule_…` is the formula alone, before past runs corrected it; the other
    expectations are what the person was told. None: it was not known, or not measured.
    """

    job = models.OneToOneField(TrainingJob, models.CASCADE, related_name="forecast")
    is_gpu = models.BooleanField(default=False)
    place = models.CharField(max_length=120, blank=True)
    verdict = models.CharField(max_length=12, blank=True)
    # Started although it was not to fit.
    is_overridden = models.BooleanField(_("started in spite of the estimate"), default=False)
    # How much was to be done: what the pace of past runs is told from.
    work = models.FloatField(default=0)
    # The same by counted tokens; None where only the size of the file was known.
    counted_work = models.FloatField(null=True)
    rule_memory_bytes = models.PositiveBigIntegerField(null=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory expected"), null=True)
    time_s = models.PositiveIntegerField(_("time expected (s)"), null=True)
    disk_bytes = models.PositiveBigIntegerField(_("disk expected"), null=True)
    cost_usd: models.DecimalField[Any, Decimal | None] = models.DecimalField(
        _("cost expected (USD)"), max_digits=14, decimal_places=4, null=True
    )
    peak_bytes = models.PositiveBigIntegerField(_("memory measured"), null=True)
    took_s = models.FloatField(_("time measured (s)"), null=True)
    # Of that, before the first step.
    start_s = models.FloatField(null=True)
    spent_usd: models.DecimalField[Any, Decimal | None] = models.DecimalField(
        _("cost measured (USD)"), max_digits=14, decimal_places=4, null=True
    )

    class Meta:
        verbose_name = _("forecast")
        verbose_name_plural = _("forecasts")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.job_id}: {self.verdict}"

    @property
    def memory_off_by(self) -> float | None:
        """0.1: it took a tenth more than expected."""
        return _off_by(self.memory_bytes, self.peak_bytes)

    @property
    def time_off_by(self) -> float | None:
        return _off_by(self.time_s, self.took_s)

    @property
    def cost_off_by(self) -> float | None:
        return _off_by(self.cost_usd, self.spent_usd)


def _off_by(expected: float | Decimal | None, measured: float | Decimal | None) -> float | None:
    if not expected or measured is None:
        return None
    return float(measured) / float(expected) - 1
