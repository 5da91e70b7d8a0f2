"""Generations of a base's index, and the vectors that belong to each."""

import uuid
from array import array
from typing import Any, ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from knowledge.models.bases import Base
from knowledge.models.documents import Chunk
from providers.models import ProviderModel


class SpaceStatus(models.TextChoices):
    BUILDING = "building", _("Being built")
    LIVE = "live", _("In use")
    KEPT = "kept", _("Ready, not in use")
    RETIRED = "retired", _("Replaced")
    FAILED = "failed", _("Failed")


class Space(models.Model):
    """One generation of a base's index: its chunks under one embedding model.

    building -> live -> retired; building -> kept, where its answers to the saved questions were
    worse than those of the live one; building -> failed. While one is built the live one answers.
    Without a model (dimension 0) only words are searched, and there is nothing to build.

    `average_terms`: of a chunk, which weighs long ones against short ones; 0: not known yet.
    `applied`: the last change that a Qdrant server was told; the embedded index keeps its own.
    `scores`: what the saved questions said before the change, {"live": {...}, "new": {...}}.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    base = models.ForeignKey(Base, models.CASCADE, related_name="spaces")
    embedding_model = models.ForeignKey(
        ProviderModel, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    model_name = models.CharField(max_length=200, blank=True, default="")
    dimension = models.PositiveIntegerField(default=0)
    status = models.CharField(
        _("status"), max_length=10, choices=SpaceStatus.choices, default=SpaceStatus.BUILDING
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error = models.TextField(_("error"), blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True)
    average_terms = models.FloatField(default=0.0)
    applied = models.PositiveBigIntegerField(default=0)
    scores: models.JSONField[Any] = models.JSONField(default=dict)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    live_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("index")
        verbose_name_plural = _("indexes")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.model_name or str(_("Search by words"))

    @property
    def is_lexical(self) -> bool:
        return self.dimension == 0


class Vector(models.Model):
    """What the embedding model of `space` made of `chunk`: `dimension` float32, little-endian."""

    space = models.ForeignKey(Space, models.CASCADE, related_name="vectors")
    chunk = models.ForeignKey(Chunk, models.CASCADE, related_name="vectors")
    data = models.BinaryField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["space", "chunk"], name="one_vector_a_chunk")
        ]

    def __str__(self) -> str:
        return f"{self.space_id} {self.chunk_id}"

    @property
    def values(self) -> "array[float]":
        numbers = array("f")
        numbers.frombytes(bytes(self.data))
        return numbers
