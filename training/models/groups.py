"""Trainings that belong together, and ways of training that are kept to be used again."""

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training.models.base_models import BaseModel
from training.models.datasets import Dataset
from training.models.jobs import Method, Stage


class SweepQuerySet(models.QuerySet["Sweep"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)


class Sweep(models.Model):
    """One training for each combination of `grid`: {parameter: [values]}. `parameters` are those
    that all of them have."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="sweeps", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=90)
    base_model = models.ForeignKey(BaseModel, models.PROTECT, related_name="sweeps")
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="sweeps")
    stage = models.CharField(_("stage"), max_length=10, choices=Stage.choices)
    method = models.CharField(_("method"), max_length=10, choices=Method.choices)
    parameters: models.JSONField[Any] = models.JSONField(_("parameters"), default=dict)
    grid: models.JSONField[Any] = models.JSONField(_("values tried"), default=dict)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = SweepQuerySet.as_manager()

    class Meta:
        verbose_name = _("sweep")
        verbose_name_plural = _("sweeps")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class JobTemplateQuerySet(models.QuerySet["JobTemplate"]):
    def for_user(self, user: User) -> Self:
        """Their own, and what others share."""
        return self.filter(Q(owner=user) | Q(is_shared=True))

    def of_user(self, user: User) -> Self:
        return self.filter(owner=user)


class JobTemplate(models.Model):
    """Stage, method and parameters under a name; of whom it is shared with, only to be used."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="job_templates",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    is_shared = models.BooleanField(
        _("shared"), default=False, help_text=_("Everybody can use it; only you can change it.")
    )
    base_model = models.ForeignKey(
        BaseModel, models.SET_NULL, null=True, blank=True, related_name="job_templates"
    )
    stage = models.CharField(_("stage"), max_length=10, choices=Stage.choices)
    method = models.CharField(_("method"), max_length=10, choices=Method.choices)
    parameters: models.JSONField[Any] = models.JSONField(_("parameters"), default=dict)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = JobTemplateQuerySet.as_manager()

    class Meta:
        verbose_name = _("job template")
        verbose_name_plural = _("job templates")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name
