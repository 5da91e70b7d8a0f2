"""Who may use how much of the machines, who did, and who takes part in a run on several of them."""

from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training.models.nodes import Node
from training.models.workloads import Workload

MONTHLY_HELP = _("In each calendar month. Empty is without a limit; 0 allows none.")


class SharingSettings(models.Model):
    """The one row of settings for everybody; `current()` reads or creates it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    gpu_hours_per_month = models.FloatField(
        _("GPU hours for each person"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=MONTHLY_HELP,
    )
    max_hours = models.FloatField(
        _("maximum duration (hours)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0.01)],
        help_text=_("A run that takes longer at a stretch is paused. A job may say otherwise."),
    )
    idle_minutes = models.PositiveIntegerField(
        _("idle GPU (minutes)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("A run whose GPUs do nothing for so long is paused. A job may say otherwise."),
    )

    class Meta:
        verbose_name = _("sharing of machines")
        verbose_name_plural = _("sharing of machines")

    def __str__(self) -> str:
        return str(_("Sharing of machines"))

    @classmethod
    def current(cls) -> "SharingSettings":
        return cls.objects.get_or_create(pk=1)[0]


class GpuQuota(models.Model):
    """What one person has instead of what everybody has."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="gpu_quota")
    gpu_hours_per_month = models.FloatField(
        _("GPU hours"),
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=MONTHLY_HELP,
    )

    class Meta:
        verbose_name = _("GPU quota")
        verbose_name_plural = _("GPU quotas")

    def __str__(self) -> str:
        return str(self.user)


class SlotUseQuerySet(models.QuerySet["SlotUse"]):
    def since(self, moment: datetime) -> Self:
        return self.filter(Q(ended_at=None) | Q(ended_at__gt=moment))


class SlotUse(models.Model):
    """A place that was taken from one moment to another; it outlives the workload."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="slot_uses", verbose_name=_("owner")
    )
    workload = models.ForeignKey(
        Workload, models.SET_NULL, null=True, blank=True, related_name="slot_uses"
    )
    node_name = models.CharField(_("node"), max_length=100)
    slot_index = models.PositiveSmallIntegerField(_("index"), default=0)
    is_gpu = models.BooleanField(_("GPU"), default=False)
    started_at = models.DateTimeField(_("from"), default=timezone.now)
    ended_at = models.DateTimeField(_("until"), null=True)

    objects = SlotUseQuerySet.as_manager()

    class Meta:
        verbose_name = _("use of a slot")
        verbose_name_plural = _("uses of slots")
        ordering = ["-started_at"]
        indexes: ClassVar = [models.Index(fields=["owner", "ended_at"])]

    def __str__(self) -> str:
        return f"{self.node_name}:{self.slot_index}"

    def seconds_within(self, begin: datetime, end: datetime) -> float:
        last = min(self.ended_at or end, end)
        return max(0.0, (last - max(self.started_at, begin)).total_seconds())


class Member(models.Model):
    """A node beside the first one in a run on several; its shim starts the processes there."""

    LEFT = -15

    workload = models.ForeignKey(Workload, models.CASCADE, related_name="members")
    node = models.ForeignKey(Node, models.CASCADE, related_name="memberships")
    rank = models.PositiveSmallIntegerField()
    fence = models.PositiveBigIntegerField()
    heartbeat_at = models.DateTimeField(null=True)
    has_ended = models.BooleanField(default=False)
    # Of its processes; None where nobody saw it. LEFT: the node was shut down in good order.
    exit_code = models.IntegerField(null=True)

    class Meta:
        ordering = ["workload_id", "rank"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["workload", "rank"], name="one_member_a_rank")
        ]

    def __str__(self) -> str:
        return f"{self.rank}@{self.node}"
