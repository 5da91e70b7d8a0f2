"""Machines that run workloads, and the places on them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from training.models.workloads import Workload

# A node says that it is there every few seconds; silence this long means that it is not.
SEEN_WITHIN = timedelta(seconds=45)


class NodeQuerySet(models.QuerySet["Node"]):
    def live(self) -> Self:
        return self.filter(last_seen_at__gt=timezone.now() - SEEN_WITHIN)

    def recent(self) -> Self:
        """Worth sending a message to: not gone for good."""
        return self.filter(last_seen_at__gt=timezone.now() - timedelta(hours=1))

    def available(self) -> Self:
        return self.live().filter(is_draining=False, has_training=True)


class Node(models.Model):
    """A machine with a node worker; it joins by starting one. `name` is also its queue's."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    is_draining = models.BooleanField(
        _("draining"), default=False, help_text=_("Nothing new is started here.")
    )
    has_training = models.BooleanField(
        _("training environment"),
        default=False,
        editable=False,
        help_text=_("LLaMA-Factory is installed."),
    )
    cpu_count = models.PositiveIntegerField(_("CPU cores"), default=1, editable=False)
    memory_bytes = models.PositiveBigIntegerField(_("memory"), default=0, editable=False)
    disk_bytes = models.PositiveBigIntegerField(_("disk"), default=0, editable=False)
    hour_price_usd: models.DecimalField[Any, Decimal | None] = models.DecimalField(
        _("price of an hour (USD)"),
        max_digits=10,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("Of one GPU, or of the processor; costs are told from it."),
    )
    # Where other nodes reach it, and which storage holds its files: those that name the same one
    # see each other's.
    address = models.CharField(_("address"), max_length=255, blank=True, editable=False)
    storage_id = models.CharField(max_length=40, blank=True, editable=False)
    # {package: version} of the training environment, and of what supervises it ("python").
    versions: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, editable=False)
    created_at = models.DateTimeField(_("joined"), default=timezone.now, editable=False)

    objects = NodeQuerySet.as_manager()

    class Meta:
        verbose_name = _("node")
        verbose_name_plural = _("nodes")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_live(self) -> bool:
        return self.last_seen_at is not None and self.last_seen_at > timezone.now() - SEEN_WITHIN

    @property
    def queue(self) -> str:
        return f"node.{self.name}"


class Slot(models.Model):
    """A place for one workload: a GPU, or the one CPU place of a machine without GPUs."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="slots")
    index = models.PositiveSmallIntegerField(_("index"), default=0)
    is_gpu = models.BooleanField(_("GPU"), default=False)
    name = models.CharField(_("name"), max_length=100, blank=True)
    memory_bytes = models.PositiveBigIntegerField(_("memory"), default=0)
    workload = models.ForeignKey(
        Workload, models.SET_NULL, null=True, blank=True, related_name="slots"
    )

    class Meta:
        verbose_name = _("slot")
        verbose_name_plural = _("slots")
        ordering = ["node_id", "index"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["node", "is_gpu", "index"], name="one_row_per_slot")
        ]

    def __str__(self) -> str:
        return f"{self.node}:{self.index}"


class NodeSample(models.Model):
    """CPU, memory, disk and GPUs of a node at one moment.

    `gpus`: [{"index", "percent", "used_bytes", "total_bytes", "celsius"}].
    """

    node = models.ForeignKey(Node, models.CASCADE, related_name="samples")
    at = models.DateTimeField(default=timezone.now, db_index=True)
    cpu_percent = models.FloatField()
    memory_used_bytes = models.PositiveBigIntegerField()
    disk_free_bytes = models.PositiveBigIntegerField()
    gpus: models.JSONField[Any] = models.JSONField(default=list)

    class Meta:
        verbose_name = _("node sample")
        verbose_name_plural = _("node samples")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.node_id} {self.at:%H:%M:%S}"
