"""What a workload tells while it runs: curves, hardware, log."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

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
        told: dict[str, Any] = {"step": self.step, "epoch": self.epoch, "at": self.at.timestamp()}
        told |= self.values
        return told


class CurveBlock(models.Model):
    """Many points in a lump, so that the charts of a long run need not read each of them.

    `series`: {name: [[step, at, value], ...]}, the lowest and the highest value in their order.
    `steps`: those whose loss was told, as runs (step_runs.py). Blocks follow one another without
    a gap; what came after the last one has none yet.
    """

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="curve_blocks")
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    first_step = models.PositiveIntegerField()
    last_step = models.PositiveIntegerField()
    series: models.JSONField[Any] = models.JSONField(default=dict)
    steps: models.JSONField[Any] = models.JSONField(default=list)

    class Meta:
        ordering = ["first_id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workload", "first_id"], name="one_block_a_point")
        ]

    def __str__(self) -> str:
        return f"{self.first_step}-{self.last_step}"


class HardwareSample(models.Model):
    """The process of a workload; `gpus` as in NodeSample. `step`: the last one done by then."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="hardware")
    at = models.DateTimeField(default=timezone.now)
    step = models.PositiveIntegerField(null=True)
    cpu_percent = models.FloatField(null=True)
    rss_bytes = models.PositiveBigIntegerField(null=True)
    gpus: models.JSONField[Any] = models.JSONField(default=list)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S}"

    def as_row(self) -> dict[str, Any]:
        return {
            "at": self.at.timestamp(),
            "step": self.step,
            "cpu_percent": self.cpu_percent,
            "rss_bytes": self.rss_bytes,
            "gpus": self.gpus,
        }


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


class NoteKind(models.TextChoices):
    """What the doctor sees: docs/training.md has the rules."""

    NAN = "nan", _("The loss is no number any more")
    JUMP = "jump", _("The loss jumped")
    FLAT = "flat", _("The loss does not fall")
    RISING = "rising", _("The evaluation loss rises")
    GPU_IDLE = "gpu_idle", _("The GPU is idle")
    STALLED = "stalled", _("No step for a long time")


class Note(models.Model):
    """A remark of the training doctor on one step. `facts`: what the explanation tells."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="notes")
    kind = models.CharField(max_length=10, choices=NoteKind.choices)
    step = models.PositiveIntegerField()
    at = models.DateTimeField(default=timezone.now)
    facts: models.JSONField[Any] = models.JSONField(default=dict)

    class Meta:
        ordering = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workload", "kind", "step"], name="one_note_a_step")
        ]

    def __str__(self) -> str:
        return f"{self.kind} @ {self.step}"


class Sample(models.Model):
    """What the model in training answered to one prompt of the job at one step."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="sample_answers")
    step = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()
    prompt = models.TextField()
    output = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["step", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workload", "step", "position"], name="one_sample_a_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.position} @ {self.step}"
