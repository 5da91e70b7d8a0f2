"""What runs on a node: a training, the building of a model, the serving of one.

                     people: desired = run | pause | stop
    pending ──grant──> preparing ──> running ──> success | failed | stopped (final)
       ^                   │            │
       └────── resume ── paused <───────┘

`status` is written only by whoever holds the lease (its fencing number must match); where nobody
holds one (pending, paused) a person's verb moves it with a compare-and-set. `state` is what people
are told: a running job that was asked to pause is "pausing".
"""

import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User

LEASE = timedelta(seconds=60)
MAX_RESTARTS = 3


class Kind(models.TextChoices):
    TRAIN = "train", _("Training")
    BUILD = "build", _("Model building")
    SERVE = "serve", _("Deployment")
    FETCH = "fetch", _("Model download")
    EXPORT = "export", _("Export")
    EVALUATE = "evaluate", _("Evaluation")
    CHECK = "check", _("Parity check")


class Desired(models.TextChoices):
    RUN = "run", _("Run")
    PAUSE = "pause", _("Pause")
    STOP = "stop", _("Stop")


class Status(models.TextChoices):
    PENDING = "pending", _("Pending")
    PREPARING = "preparing", _("Preparing")
    RUNNING = "running", _("Running")
    PAUSING = "pausing", _("Pausing")
    PAUSED = "paused", _("Paused")
    STOPPING = "stopping", _("Stopping")
    STOPPED = "stopped", _("Stopped")
    SUCCESS = "success", _("Success")
    FAILED = "failed", _("Failed")


class Reason(models.TextChoices):
    """Why a workload failed."""

    OUT_OF_MEMORY = "out_of_memory", _("Out of memory")
    DISK_FULL = "disk_full", _("The disk is full")
    DATA = "data", _("The dataset could not be read")
    MODEL = "model", _("The base model could not be loaded")
    CONFIGURATION = "configuration", _("The configuration was refused")
    KILLED = "killed", _("The process was killed")
    NODE_LOST = "node_lost", _("The node was lost")
    START = "start", _("The process could not be started")
    DIVERGED = "diverged", _("The loss became NaN")
    TEMPLATE = "template", _("The chat template does not fit")
    HUB = "hub", _("The model hub could not be reached")
    TIME_LIMIT = "time_limit", _("The maximum duration was reached")
    IDLE = "idle", _("The GPU had nothing to do")
    UNKNOWN = "unknown", _("Unknown error")


WAITING = (Status.PENDING, Status.PAUSED)
ACTIVE = (Status.PREPARING, Status.RUNNING)
FINAL = (Status.SUCCESS, Status.FAILED, Status.STOPPED)


W = TypeVar("W", bound="Workload")


class WorkloadQuerySet(models.QuerySet[W]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def active(self) -> Self:
        return self.filter(status__in=ACTIVE)

    def unfinished(self) -> Self:
        return self.exclude(status__in=FINAL)

    def queued(self) -> Self:
        """Wants to run and waits for a place; first to be granted first."""
        rows = self.filter(status=Status.PENDING, desired=Desired.RUN)
        return rows.order_by("-priority", "queued_at", "created_at")

    def held(self, pk: object, fence: int) -> Self:
        """The row, as long as the lease with this fencing number is the current one."""
        return self.filter(pk=pk, fence=fence, status__in=ACTIVE)


class Workload(models.Model):
    """One supervised process: a training, a build or a deployment, whichever `kind` says."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="workloads",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    priority = models.SmallIntegerField(_("priority"), default=0)
    # Places: `node_count` machines with `processes` each, all of them or none.
    node_count = models.PositiveSmallIntegerField(_("machines"), default=1)
    processes = models.PositiveSmallIntegerField(_("processes on each machine"), default=1)
    # None: as the console's settings say. 0: without a limit.
    max_hours = models.FloatField(_("maximum duration (hours)"), null=True, blank=True)
    idle_minutes = models.PositiveIntegerField(_("idle GPU (minutes)"), null=True, blank=True)
    desired = models.CharField(max_length=10, choices=Desired.choices, default=Desired.PAUSE)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.PENDING
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason.choices, blank=True)
    detail = models.TextField(_("detail"), blank=True)

    node = models.ForeignKey(
        "training.Node", models.SET_NULL, null=True, blank=True, related_name="workloads"
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    # Attempts that followed a crash rather than a pause.
    restarts = models.PositiveSmallIntegerField(default=0, editable=False)
    fence = models.PositiveBigIntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    pid = models.PositiveIntegerField(null=True, editable=False)
    exit_code = models.IntegerField(null=True, editable=False)
    # How far the events of this attempt's file have been written to the database, in bytes.
    events_offset = models.PositiveBigIntegerField(default=0, editable=False)
    log_offset = models.PositiveBigIntegerField(default=0, editable=False)

    step = models.PositiveIntegerField(_("step"), default=0)
    max_steps = models.PositiveIntegerField(_("steps"), default=0)
    epoch = models.FloatField(_("epoch"), null=True)
    # Seconds of training per step lately: what the time left is told from.
    step_s = models.FloatField(null=True, editable=False)

    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    queued_at = models.DateTimeField(_("queued"), null=True, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, editable=False)

    objects = WorkloadQuerySet["Workload"].as_manager()

    class Meta:
        verbose_name = _("workload")
        verbose_name_plural = _("workloads")
        ordering = ["-created_at"]
        indexes: ClassVar = [models.Index(fields=["status", "desired"])]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """The status as people are told it."""
        if self.status in ACTIVE and self.desired == Desired.PAUSE:
            return Status.PAUSING
        if self.status in ACTIVE and self.desired == Desired.STOP:
            return Status.STOPPING
        return self.status

    @property
    def state_label(self) -> str:
        return str(Status(self.state).label)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def is_parallel(self) -> bool:
        return self.node_count * self.processes > 1

    @property
    def is_queued(self) -> bool:
        return self.status == Status.PENDING and self.desired == Desired.RUN

    @property
    def progress(self) -> float:
        """0 to 1."""
        return min(1.0, self.step / self.max_steps) if self.max_steps else 0.0

    @property
    def percent(self) -> int:
        return int(self.progress * 100)

    @property
    def remaining_s(self) -> int | None:
        if self.status != Status.RUNNING or not self.step_s or not self.max_steps:
            return None
        return round((self.max_steps - self.step) * self.step_s)

    @property
    def folder(self) -> Path:
        """On the node that runs it."""
        return Path(settings.TRAINING_ROOT) / str(self.pk)

    def renew(self, fence: int, **changes: Any) -> str | None:
        """Hold the lease for another while and write `changes`; what is desired now.

        None: the lease is somebody else's, or the workload is gone or final.
        """
        rows = Workload.objects.held(self.pk, fence)
        if not rows.update(lease_expires_at=Now() + LEASE, heartbeat_at=Now(), **changes):
            return None
        desired = Workload.objects.filter(pk=self.pk).values_list("desired", flat=True).first()
        return desired


class Transition(models.Model):
    """One change of a workload's status: append-only, the story of its life."""

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="transitions")
    at = models.DateTimeField(_("time"), default=timezone.now)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices)
    reason = models.CharField(_("reason"), max_length=20, blank=True)
    step = models.PositiveIntegerField(_("step"), default=0)
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    fence = models.PositiveBigIntegerField(default=0)
    node_name = models.CharField(_("node"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("transition")
        verbose_name_plural = _("transitions")
        ordering = ["workload_id", "at", "id"]

    def __str__(self) -> str:
        return f"{self.status} @ {self.step}"
