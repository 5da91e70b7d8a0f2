"""Models that a training starts from."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training.models.workloads import Kind, Workload, WorkloadQuerySet


class BaseModelQuerySet(models.QuerySet["BaseModel"]):
    def for_user(self, user: User) -> Self:
        return self.filter(Q(owner=user) | Q(owner=None))

    def ready(self) -> Self:
        return self.filter(is_ready=True)


class BaseModel(models.Model):
    """A folder on the node's disk or an id of a model hub. Without an owner it is everyone's."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="base_models",
        verbose_name=_("owner"),
    )
    name = models.CharField(_("name"), max_length=100)
    path = models.CharField(_("path"), max_length=500, blank=True)
    hub_id = models.CharField(_("hub id"), max_length=200, blank=True)
    template = models.CharField(_("chat template"), max_length=60, blank=True)
    architecture = models.CharField(_("architecture"), max_length=100, blank=True)
    parameters = models.PositiveBigIntegerField(_("parameters"), null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size"), null=True, blank=True)
    context_tokens = models.PositiveIntegerField(_("context window"), null=True, blank=True)
    is_ready = models.BooleanField(_("ready"), default=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = BaseModelQuerySet.as_manager()

    class Meta:
        verbose_name = _("base model")
        verbose_name_plural = _("base models")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def location(self) -> str:
        """What LLaMA-Factory is given as model_name_or_path."""
        return self.path or self.hub_id


class ModelBuildQuerySet(WorkloadQuerySet["ModelBuild"]):
    pass


class ModelBuild(Workload):
    """Makes the demo's base model on the spot."""

    base_model = models.ForeignKey(BaseModel, models.CASCADE, related_name="builds")

    objects = ModelBuildQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("model build")
        verbose_name_plural = _("model builds")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.BUILD
        super().save(*args, **kwargs)  # type: ignore[arg-type]
