"""A base model and what a training made of it, side by side on examples it did not learn from."""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.db import models
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from providers.models import ProviderModel
from training.models.datasets import Dataset
from training.models.jobs import TrainingJob
from training.models.registry import ModelVersion
from training.models.workloads import Kind, Status, Workload, WorkloadQuerySet

JUDGE_SILENT_FOR = timedelta(seconds=90)


class HeldOut(models.TextChoices):
    """Where the examples come from."""

    SHARE = "share", _("The share of its dataset that the training held back")
    DATASET = "dataset", _("Another dataset")
    PROBES = "probes", _("Questions that I type in")


class JudgeState(models.TextChoices):
    NONE = "", _("No judge")
    WAITING = "waiting", _("The judge follows")
    RUNNING = "running", _("The judge reads")
    DONE = "done", _("Judged")
    FAILED = "failed", _("The judge gave up")


class EvaluationQuerySet(WorkloadQuerySet["Evaluation"]):
    def finished(self) -> Self:
        return self.filter(status=Status.SUCCESS)

    def awaiting_judge(self) -> Self:
        """Those whose judge has work to do and does not do it."""
        silent = Q(judged_at=None) | Q(judged_at__lt=timezone.now() - JUDGE_SILENT_FOR)
        running = Q(judge_state=JudgeState.RUNNING)
        return self.filter(Q(judge_state=JudgeState.WAITING) | (running & silent))


class Evaluation(Workload):
    """`results`: {"base", "tuned": means over the samples, "general": {"base", "tuned"},
    "left_out"}; `probes`: [{"question", "answer"?, "system"?}]."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="evaluations")
    source = models.CharField(_("examples"), max_length=10, choices=HeldOut.choices)
    dataset = models.ForeignKey(
        Dataset, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("dataset")
    )
    probes: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    limit = models.PositiveIntegerField(_("examples at most"), default=50)
    max_new_tokens = models.PositiveIntegerField(_("tokens an answer"), default=128)
    judge = models.ForeignKey(
        ProviderModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("judge"),
    )
    rubric = models.TextField(_("rubric"), blank=True)
    judge_state = models.CharField(
        max_length=10, choices=JudgeState.choices, blank=True, editable=False
    )
    judge_detail = models.TextField(blank=True, editable=False)
    # When the judge last read a pair: one that has been silent for long is started again.
    judged_at = models.DateTimeField(null=True, editable=False)
    results: models.JSONField[Any] = models.JSONField(default=dict, editable=False)

    objects = EvaluationQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("evaluation")
        verbose_name_plural = _("evaluations")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.EVALUATE
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def is_moving(self) -> bool:
        """Whether there may be news."""
        return not self.is_final or self.judge_state in (JudgeState.WAITING, JudgeState.RUNNING)

    def counts(self) -> dict[str, int]:
        """How many samples the tuned model won, lost, and neither."""
        row = self.samples.aggregate(
            **{each: Count("pk", filter=Q(outcome=each)) for each in Outcome.values}
        )
        return {name: row[name] or 0 for name in Outcome.values}


class EvaluationPlan(models.Model):
    """What is evaluated once a training has succeeded.

    `options`: what evaluation.begin() takes, with ids in place of rows; `problem`: why nothing
    came of it.
    """

    job = models.OneToOneField(TrainingJob, models.CASCADE, related_name="evaluation_plan")
    options: models.JSONField[Any] = models.JSONField(default=dict)
    problem = models.TextField(blank=True, editable=False)

    class Meta:
        verbose_name = _("planned evaluation")
        verbose_name_plural = _("planned evaluations")

    def __str__(self) -> str:
        return str(self.job_id)


class Outcome(models.TextChoices):
    """Of one sample, seen from the tuned model."""

    WIN = "win", _("Better")
    LOSS = "loss", _("Worse")
    TIE = "tie", _("Alike")


class EvaluationSampleQuerySet(models.QuerySet["EvaluationSample"]):
    def matching(self, text: str) -> Self:
        """With `text` in the question or one of the answers."""
        if not text:
            return self
        found = Q(question__icontains=text) | Q(expected__icontains=text)
        return self.filter(found | Q(base_answer__icontains=text) | Q(tuned_answer__icontains=text))


class EvaluationSample(models.Model):
    """One example with both answers. `base` and `tuned`: scores by name, "loss" per token.

    `outcome` is the judge's where there is one, and otherwise what the scores say; empty where
    nothing can be said. `judgement`: {"winner", "reason"} or {"error"}.
    """

    evaluation = models.ForeignKey(Evaluation, models.CASCADE, related_name="samples")
    position = models.PositiveIntegerField()
    turns: models.JSONField[Any] = models.JSONField(default=list)
    system = models.TextField(blank=True)
    question = models.TextField()
    expected = models.TextField(blank=True)
    base_answer = models.TextField(blank=True)
    tuned_answer = models.TextField(blank=True)
    base: models.JSONField[Any] = models.JSONField(default=dict)
    tuned: models.JSONField[Any] = models.JSONField(default=dict)
    outcome = models.CharField(max_length=4, choices=Outcome.choices, blank=True)
    judgement: models.JSONField[Any] = models.JSONField(default=dict)

    objects = EvaluationSampleQuerySet.as_manager()

    class Meta:
        verbose_name = _("sample of an evaluation")
        verbose_name_plural = _("samples of an evaluation")
        ordering = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["evaluation", "position"], name="one_sample_a_position")
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.question[:60]}"
