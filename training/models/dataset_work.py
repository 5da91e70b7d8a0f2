"""Work on datasets that takes longer than a request may: uploads in pieces, imports, new versions,
statistics.

    queued ──claim──> running ──> done | failed | cancelled (final)
       ^                 │
       └── died with its process (heartbeat too old), at most MAX_ATTEMPTS times

A running attempt changes the row only while `attempt` is its own and the status still running.
"""

import uuid
from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training.models.base_models import BaseModel
from training.models.datasets import Dataset
from training.models.drafts import DatasetDraft

MAX_ATTEMPTS = 3


class WorkKind(models.TextChoices):
    IMPORT = "import", _("Import")
    EDIT = "edit", _("Edit")
    EXCLUDE = "exclude", _("Exclude records")
    APPEND = "append", _("Add records")
    SPLIT = "split", _("Split")
    MIX = "mix", _("Mix")
    STATISTICS = "statistics", _("Statistics")
    EXPORT = "export", _("Export")


class WorkStatus(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    DONE = "done", _("Done")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


OPEN = (WorkStatus.QUEUED, WorkStatus.RUNNING)


class DatasetUpload(models.Model):
    """A file that arrives in pieces. `received_bytes` of it are safe; `fingerprint` is what the
    sender knows it by again (never trusted); `options` are those of the import."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    file_name = models.CharField(max_length=200)
    size_bytes = models.PositiveBigIntegerField()
    received_bytes = models.PositiveBigIntegerField(default=0)
    fingerprint = models.CharField(max_length=64, blank=True)
    options: models.JSONField[Any] = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("upload")
        verbose_name_plural = _("uploads")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.file_name

    @property
    def file(self) -> Path:
        return Path(settings.MEDIA_ROOT) / "uploads" / f"{self.pk.hex}.part"

    @property
    def percent(self) -> int:
        return 100 * self.received_bytes // self.size_bytes if self.size_bytes else 0


class DatasetWorkQuerySet(models.QuerySet["DatasetWork"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def open(self) -> Self:
        return self.filter(status__in=OPEN)


class DatasetWork(models.Model):
    """`request`: what is asked for, by kind (dataset_changes.py); `draft`: the file that is
    imported, or that an upload has become because its columns have other names; `results`: ids of
    the datasets it made; `error` and `reasons` are sentences in the owner's language."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=WorkKind.choices)
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="work")
    upload = models.ForeignKey(DatasetUpload, models.SET_NULL, null=True, related_name="work")
    draft = models.ForeignKey(DatasetDraft, models.SET_NULL, null=True, related_name="work")
    request: models.JSONField[Any] = models.JSONField(default=dict)
    status = models.CharField(
        max_length=10, choices=WorkStatus.choices, default=WorkStatus.QUEUED, db_index=True
    )
    phase = models.CharField(max_length=20, blank=True)
    # Of the present phase, in its own unit (bytes or records).
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    results: models.JSONField[Any] = models.JSONField(default=list)
    error = models.TextField(blank=True)
    error_code = models.CharField(max_length=40, blank=True)
    reasons: models.JSONField[Any] = models.JSONField(default=list)
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = DatasetWorkQuerySet.as_manager()

    class Meta:
        verbose_name = _("work on a dataset")
        verbose_name_plural = _("work on datasets")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.subject}"

    @property
    def subject(self) -> str:
        """What it is about; of an import the file, which is gone in the end."""
        return str(self.dataset or self.request.get("file_name") or self.pk)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def percent(self) -> int:
        return min(100, 100 * self.done // self.total) if self.total else 0


class DatasetStatistics(models.Model):
    """What was counted over all records of one version. Without a base model: texts (turns,
    languages, duplicates); with one: tokens, by its tokenizer."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="statistics")
    base_model = models.ForeignKey(BaseModel, models.CASCADE, null=True, related_name="+")
    result: models.JSONField[Any] = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("statistics")
        verbose_name_plural = _("statistics")
        ordering = ["-created_at", "-pk"]
        indexes: ClassVar = [models.Index(fields=["dataset", "base_model"])]

    def __str__(self) -> str:
        return f"{self.dataset}: {self.base_model or '–'}"
