"""Batch comparisons: many prompts, several models, answered in the background."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models import ProviderModel

# A running call writes a heartbeat every few seconds; silence this long means its process is dead.
CALL_LOST_AFTER = timedelta(seconds=30)


class BatchStatus(models.TextChoices):
    DRAFT = "draft", _("Not started")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class BatchSource(models.TextChoices):
    """Where the prompts come from."""

    TYPED = "typed", _("Prompts that I type in")
    FILE = "file", _("A file")
    DATASET = "dataset", _("A dataset")
    PROMPT = "prompt", _("A prompt of the library, with a table of values")
    BATCH = "batch", _("The prompts of an earlier comparison")


class BatchQuerySet(models.QuerySet["Batch"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def running(self) -> Self:
        return self.filter(status=BatchStatus.RUNNING)

    def counted(self) -> Self:
        """With `total`, `answered` and `failed` calls."""
        return self.annotate(
            total=Count("cells"),
            answered=Count("cells", filter=Q(cells__status=CellStatus.DONE)),
            failed=Count("cells", filter=Q(cells__status=CellStatus.FAILED)),
        )


class Batch(models.Model):
    """draft -> running <-> paused; running -> done; running, paused -> cancelled.

    done -> running again when failures are retried. `checks`: [{"kind", "value"?}], see
    chat/batches/checks.py. `problems`: [[line, text]] of what was left out of the source, the
    first of `problem_count`. `reason`: why it paused by itself, an error's code.
    `estimate`: see chat/batches/estimates.py. `calls_at_once`: to one
    provider.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="chat_batches")
    name = models.CharField(_("name"), max_length=100)
    status = models.CharField(
        _("status"), max_length=10, choices=BatchStatus.choices, default=BatchStatus.DRAFT
    )
    reason = models.CharField(max_length=40, blank=True, editable=False)
    source = models.CharField(_("prompts from"), max_length=10, choices=BatchSource.choices)
    source_label = models.CharField(max_length=200, blank=True)
    repeat_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="repeats"
    )
    system_prompt = models.TextField(_("system prompt"), blank=True)
    parameters: models.JSONField[Any] = models.JSONField(_("parameters"), default=dict, blank=True)
    checks: models.JSONField[Any] = models.JSONField(_("checks"), default=list, blank=True)
    judge = models.ForeignKey(
        ProviderModel,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("judge"),
    )
    rubric = models.TextField(_("rubric"), blank=True)
    calls_at_once = models.PositiveSmallIntegerField(_("calls at once to a provider"), default=4)
    problems: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    problem_count = models.PositiveIntegerField(default=0, editable=False)
    estimate: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    ended_at = models.DateTimeField(_("ended"), null=True, editable=False)
    # Until then nothing new is asked: a limit of a minute was reached.
    resting_until = models.DateTimeField(null=True, editable=False)
    # When it was last its turn, so that several share a provider.
    served_at = models.DateTimeField(null=True, editable=False)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch comparison")
        verbose_name_plural = _("batch comparisons")
        ordering = ["-created_at"]
        indexes: ClassVar = [
            models.Index(fields=["owner", "created_at"], name="batches_of_owner"),
            models.Index(fields=["status"], name="batches_by_status"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_running(self) -> bool:
        return self.status == BatchStatus.RUNNING

    @property
    def is_over(self) -> bool:
        return self.status in (BatchStatus.DONE, BatchStatus.CANCELLED)

    @property
    def may_be_deleted(self) -> bool:
        return self.is_over or self.status == BatchStatus.DRAFT


class BatchColumn(models.Model):
    """One of the models that answer. `label` outlives the model."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="columns")
    position = models.PositiveSmallIntegerField()
    model = models.ForeignKey(ProviderModel, models.SET_NULL, null=True, related_name="+")
    label = models.CharField(max_length=200)

    class Meta:
        verbose_name = _("model of a batch comparison")
        verbose_name_plural = _("models of a batch comparison")
        ordering = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "position"], name="one_column_a_position")
        ]

    def __str__(self) -> str:
        return self.label


class BatchPrompt(models.Model):
    """One row. `before`: [{"role", "content"}] that is sent ahead of `text`; `digest` finds the
    same question in another comparison."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="prompts")
    position = models.PositiveIntegerField()
    text = models.TextField()
    before: models.JSONField[Any] = models.JSONField(default=list)
    reference = models.TextField(blank=True)
    digest = models.CharField(max_length=64, editable=False)

    class Meta:
        verbose_name = _("prompt of a batch comparison")
        verbose_name_plural = _("prompts of a batch comparison")
        ordering = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "position"], name="one_batch_prompt_a_place")
        ]

    def __str__(self) -> str:
        return f"{self.position}: {self.text[:60]}"


class CellStatus(models.TextChoices):
    """waiting -> asking -> failed | done, or with a judge answered -> judging -> done."""

    WAITING = "waiting", _("Waiting")
    ASKING = "asking", _("Answering")
    ANSWERED = "answered", _("The judge follows")
    JUDGING = "judging", _("The judge reads")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")


OPEN = (CellStatus.WAITING, CellStatus.ASKING, CellStatus.ANSWERED, CellStatus.JUDGING)
CALLING = (CellStatus.ASKING, CellStatus.JUDGING)
HAS_ANSWER = (CellStatus.ANSWERED, CellStatus.JUDGING, CellStatus.DONE)


class BatchCellQuerySet(models.QuerySet["BatchCell"]):
    def open(self) -> Self:
        return self.filter(status__in=OPEN)

    def lost(self) -> Self:
        return self.filter(status__in=CALLING, beat_at__lt=timezone.now() - CALL_LOST_AFTER)

    def move(self, pk: int, run: uuid.UUID, **changes: Any) -> bool:
        """What only the call that owns the cell may do; False: it does not any more."""
        rows = self.filter(pk=pk, run=run, status__in=CALLING)
        return bool(rows.update(**{"run": None, "beat_at": None, **changes}))


class BatchCell(models.Model):
    """The answer of one model to one prompt.

    `run` names the call that may write now, and its row in the ledger. `checks`: one True or False
    per check of the batch; `passed` None where there is none. `judgement`: {"reason"} or {"error"}.
    """

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="cells")
    prompt = models.ForeignKey(BatchPrompt, models.CASCADE, related_name="cells")
    column = models.ForeignKey(BatchColumn, models.CASCADE, related_name="cells")
    status = models.CharField(
        _("status"), max_length=10, choices=CellStatus.choices, default=CellStatus.WAITING
    )
    run = models.UUIDField(null=True, editable=False)
    beat_at = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    answer = models.TextField(_("answer"), blank=True)
    answer_digest = models.CharField(max_length=64, blank=True, editable=False)
    thoughts = models.TextField(_("thoughts"), blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    finish_reason = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    completion_tokens = models.PositiveIntegerField(null=True)
    is_estimated = models.BooleanField(_("tokens estimated"), default=False)
    cost = models.DecimalField(_("cost"), max_digits=20, decimal_places=10, null=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    ttft_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    checks: models.JSONField[Any] = models.JSONField(default=list)
    passed = models.BooleanField(_("passed"), null=True)
    score = models.PositiveSmallIntegerField(_("score"), null=True)
    judgement: models.JSONField[Any] = models.JSONField(default=dict)

    objects = BatchCellQuerySet.as_manager()

    class Meta:
        verbose_name = _("answer of a batch comparison")
        verbose_name_plural = _("answers of a batch comparison")
        ordering = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["prompt", "column"], name="one_cell_a_prompt_and_model")
        ]
        indexes: ClassVar = [
            models.Index(fields=["batch", "status"], name="cells_by_status"),
            models.Index(fields=["status", "beat_at"], name="calling_cells"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id}, {self.column_id}: {self.status}"

    @property
    def tokens_per_second(self) -> float | None:
        """Of the time after the first token; None where that is unknown."""
        if not self.completion_tokens or self.duration_ms is None or self.ttft_ms is None:
            return None
        seconds = (self.duration_ms - self.ttft_ms) / 1000
        return self.completion_tokens / seconds if seconds > 0 else None
