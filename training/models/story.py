"""What a workload tells while it runs: curves, hardware, log."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from training.models.workloads import Workload


class Metric(models.Model):
    """One point of the curves: `values` holds loss, eval_loss, learning_rate, grad_norm, …"""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="metrics")
    step = models.PositiveIntegerField()
    epoch = models.FloatField(null=True)
    values: models.JSONField[Any] = models.JSONField(default=dict)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        indexes: ClassVar = [models.Index(fields=["workload", "step"])]

    def __str__(self) -> str:
        return f"{self.step}: {self.values}"

    def as_row(self) -> dict[str, Any]:
        return {"step": self.step, "epoch": self.epoch, **self.values}


class HardwareSample(models.Model):
    """The process of a workload; `gpus` as in NodeSample."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="hardware")
    at = models.DateTimeField(default=timezone.now)
    cpu_percent = models.FloatField(null=True)
    rss_bytes = models.PositiveBigIntegerField(null=True)
    gpus: models.JSONField[Any] = models.JSONField(default=list)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}"


class LogChunk(models.Model):
    """Some lines of the log; `first` is the number of the first one, counted from 0."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="log_chunks")
    first = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        ordering = ["first"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workload", "first"], name="one_chunk_a_line")
        ]

    def __str__(self) -> str:
        return f"{self.first}+{self.count}"
