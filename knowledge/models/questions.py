"""Questions with the passage that answers them, and how well a base found it, over time."""

from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.bases import Base


class Question(models.Model):
    """`passage`: the text that answers it; a chunk is right if it holds enough of it (see
    assessing.py). `document_name`: where it stands, if that was told."""

    base = models.ForeignKey(Base, models.CASCADE, related_name="questions")
    text = models.CharField(_("question"), max_length=2000)
    passage = models.TextField(_("passage"))
    document_name = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("question")
        verbose_name_plural = _("questions")
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text


class AssessmentStatus(models.TextChoices):
    QUEUED = "queued", _("Waiting")
    RUNNING = "running", _("In work")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


class Assessment(models.Model):
    """All questions of a base asked at one moment. `settings`: those of the search and the name of
    the index; `scores`: {"recall@1", "recall@3", "recall@5", "recall@10", "mrr@10", "ndcg@10"},
    0 to 1; `ranks`: for each question its id and the rank of the first right chunk, 0: none.
    `fence`: of the worker that has it, how often it was taken up; one that comes back too late has
    an older one."""

    base = models.ForeignKey(Base, models.CASCADE, related_name="assessments")
    status = models.CharField(
        _("status"),
        max_length=10,
        choices=AssessmentStatus.choices,
        default=AssessmentStatus.QUEUED,
    )
    settings: models.JSONField[Any] = models.JSONField(default=dict)
    scores: models.JSONField[Any] = models.JSONField(default=dict)
    ranks: models.JSONField[Any] = models.JSONField(default=list)
    questions = models.PositiveIntegerField(_("questions"), default=0)
    done = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    fence = models.PositiveIntegerField(default=0, editable=False)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.base} {self.created_at:%Y-%m-%d %H:%M}"
