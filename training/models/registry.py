"""What trainings have produced, and where it is served."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.encryption import decrypt, encrypt
from providers.models import ProviderModel
from training.models.base_models import BaseModel
from training.models.jobs import TrainingJob
from training.models.nodes import Node
from training.models.workloads import Kind, Status, Workload, WorkloadQuerySet


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)


class ModelVersion(models.Model):
    """The result of one job with its lineage, which outlives the job and the dataset.

    `lineage`: {"base_model", "dataset", "dataset_sha256", "stage", "method", "parameters",
    "versions"} as they were when the job ran.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="model_versions"
    )
    job = models.OneToOneField(
        TrainingJob, models.SET_NULL, null=True, related_name="version", verbose_name=_("job")
    )
    base_model = models.ForeignKey(
        BaseModel, models.SET_NULL, null=True, related_name="versions", verbose_name=_("base model")
    )
    node = models.ForeignKey(
        Node, models.SET_NULL, null=True, related_name="+", verbose_name=_("node")
    )
    name = models.CharField(_("name"), max_length=100)
    path = models.CharField(_("path"), max_length=500)
    is_adapter = models.BooleanField(_("adapter"), default=True)
    template = models.CharField(_("chat template"), max_length=60, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    labels: models.JSONField[Any] = models.JSONField(_("labels"), default=list)
    metrics: models.JSONField[Any] = models.JSONField(_("metrics"), default=dict)
    lineage: models.JSONField[Any] = models.JSONField(_("lineage"), default=dict)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def deployment(self) -> "Deployment | None":
        """The newest one, running or not."""
        return self.deployments.order_by("-created_at").first()


class Engine(models.TextChoices):
    """What generates."""

    HUGGINGFACE = "huggingface", "LLaMA-Factory"
    VLLM = "vllm", "vLLM"


class DeploymentQuerySet(WorkloadQuerySet["Deployment"]):
    pass


class Deployment(Workload):
    """The endpoint of one model version, on loopback behind a random key.

    `health`: what the endpoint last told of itself, see runner/front.py.
    """

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="deployments")
    port = models.PositiveIntegerField(null=True, editable=False)
    credential = models.TextField(editable=False, blank=True)
    provider_model = models.ForeignKey(
        ProviderModel, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    engine = models.CharField(
        _("engine"), max_length=12, choices=Engine.choices, default=Engine.HUGGINGFACE
    )
    concurrency = models.PositiveSmallIntegerField(_("requests at the same time"), default=1)
    idle_minutes = models.PositiveIntegerField(_("minutes until it sleeps"), default=0)
    health: models.JSONField[Any] = models.JSONField(default=dict, editable=False)

    objects = DeploymentQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.SERVE
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def set_key(self, key: str) -> None:
        self.credential = encrypt(key)

    @property
    def key(self) -> str:
        return decrypt(self.credential)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def serving_state(self) -> str:
        """none, starting, running, failed or stopping: what the API and the pages say."""
        words = {
            Status.PENDING: "starting",
            Status.PREPARING: "starting",
            Status.RUNNING: "running",
            Status.STOPPING: "stopping",
            Status.PAUSING: "stopping",
            Status.PAUSED: "starting",
            Status.FAILED: "failed",
        }
        return words.get(Status(self.state), "none")
