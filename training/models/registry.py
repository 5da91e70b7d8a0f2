"""What trainings have produced, and where it is served."""

from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.encryption import decrypt, encrypt
from providers.models import ProviderModel
from training.models.base_models import BaseModel
from training.models.families import ModelFamily
from training.models.jobs import TrainingJob
from training.models.nodes import Node
from training.models.workloads import Kind, Status, Workload, WorkloadQuerySet


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def current(self) -> Self:
        """Not put away."""
        return self.filter(archived_at=None)

    def labelled(self, name: str) -> Self:
        return self.filter(label_rows__name=name)

    def answering(self, user: User, *, model_id: int, base_url: str) -> "ModelVersion | None":
        """Which of the person's versions a request to `base_url` reaches: by its own provider
        model, or by the route of its family, which may have moved on since."""
        rows = self.for_user(user).filter(
            Q(deployments__provider_model=model_id) | Q(family__route=model_id),
            deployments__provider_model__provider__base_url=base_url,
        )
        return rows.order_by("-deployments__created_at").first()


class ModelVersion(models.Model):
    """The result of one job with its lineage, which outlives the job and the dataset.

    It has a number in its family, the model whose versions it is one of. `lineage`: {"base_model",
    "dataset", "dataset_sha256", "stage", "method", "parameters", "versions"} as they were when the
    job ran.
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
    family = models.ForeignKey(
        ModelFamily, models.CASCADE, related_name="versions", null=True, verbose_name=_("model")
    )
    number = models.PositiveIntegerField(_("version"), default=0)
    # What it was trained on from, where that was not the base model itself.
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="children"
    )
    name = models.CharField(_("name"), max_length=100)
    path = models.CharField(_("path"), max_length=500)
    is_adapter = models.BooleanField(_("adapter"), default=True)
    template = models.CharField(_("chat template"), max_length=60, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    notes = models.TextField(_("notes"), blank=True)
    archived_at = models.DateTimeField(_("archived"), null=True, blank=True)
    metrics: models.JSONField[Any] = models.JSONField(_("metrics"), default=dict)
    lineage: models.JSONField[Any] = models.JSONField(_("lineage"), default=dict)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ModelVersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        ordering = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["family", "number"], name="a_number_once_in_a_family")
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.family_id is not None and self.number:
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            family = self.family or ModelFamily.objects.for_name(self.owner, self.name)
            self.family = family
            self.number = ModelFamily.objects.next_number(family.pk)
            super().save(*args, **kwargs)

    @property
    def title(self) -> str:
        """The model and the number: identity v3."""
        return f"{self.family.name if self.family else self.name} v{self.number}"

    @property
    def labels(self) -> list[str]:
        return sorted(row.name for row in self.label_rows.all())

    @property
    def base_path(self) -> str:
        """The whole model that its adapter belongs on; its own folder where it is none."""
        if not self.is_adapter:
            return self.path
        if self.parent is not None:
            return self.parent.base_path
        known = str(self.lineage.get("base_location", ""))
        return self.base_model.location if self.base_model is not None else known

    @property
    def is_here(self) -> bool:
        return bool(self.path) and Path(self.path).is_dir()

    @property
    def deployment(self) -> "Deployment | None":
        """The newest one, running or not; one of its replicas where that one has ended alone."""
        newest = self.deployments.filter(replica_of=None).order_by("-created_at").first()
        if newest is None or not newest.is_final:
            return newest
        return newest.group().unfinished().first() or newest


class Engine(models.TextChoices):
    """What generates."""

    HUGGINGFACE = "huggingface", "LLaMA-Factory"
    VLLM = "vllm", "vLLM"
    EMBEDDING = "embedding", _("Embedding model")


class Label(models.Model):
    """A name that one version of a family has at a time, and that is moved to another."""

    family = models.ForeignKey(ModelFamily, models.CASCADE, related_name="labels")
    name = models.CharField(_("label"), max_length=40)
    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="label_rows")
    moved_at = models.DateTimeField(_("moved"), default=timezone.now)

    class Meta:
        verbose_name = _("label")
        verbose_name_plural = _("labels")
        ordering = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["family", "name"], name="a_label_once_in_a_family")
        ]

    def __str__(self) -> str:
        return self.name


class LabelMove(models.Model):
    """One step of a label's way: append-only. Without `to_version` it was taken away.

    `overridden`: what stood against it, where an administrator decided so all the same.
    """

    family = models.ForeignKey(ModelFamily, models.CASCADE, related_name="label_moves")
    name = models.CharField(_("label"), max_length=40)
    from_version = models.ForeignKey(
        ModelVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("from")
    )
    to_version = models.ForeignKey(
        ModelVersion, models.SET_NULL, null=True, related_name="+", verbose_name=_("to")
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    reason = models.TextField(_("reason"), blank=True)
    overridden: models.JSONField[Any] = models.JSONField(default=list)
    is_rollback = models.BooleanField(default=False)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = _("move of a label")
        verbose_name_plural = _("moves of labels")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name}: {self.from_version} > {self.to_version}"


class LabelWaiver(models.Model):
    """An administrator's word that `version` may have `label` whatever its checks say."""

    version = models.ForeignKey(
        ModelVersion, models.CASCADE, related_name="waivers", verbose_name=_("model version")
    )
    label = models.CharField(_("label"), max_length=40, default="production")
    reason = models.TextField(_("reason"), max_length=2000)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("given by"),
    )
    at = models.DateTimeField(_("given"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("exception for a label")
        verbose_name_plural = _("exceptions for labels")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.version} · {self.label}"


class DeploymentQuerySet(WorkloadQuerySet["Deployment"]):
    pass


class Deployment(Workload):
    """The endpoint of one model version, behind a random key.

    `health`: what the endpoint last told of itself, see runner/front.py.
    """

    encrypted: ClassVar = ("credential",)

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="deployments")
    replica_of = models.ForeignKey(
        "self", models.CASCADE, null=True, editable=False, related_name="replicas"
    )
    host = models.CharField(max_length=255, default="127.0.0.1", editable=False)
    port = models.PositiveIntegerField(null=True, editable=False)
    credential = models.TextField(editable=False, blank=True)
    provider_model = models.ForeignKey(
        ProviderModel, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    engine = models.CharField(
        _("engine"), max_length=12, choices=Engine.choices, default=Engine.HUGGINGFACE
    )
    concurrency = models.PositiveSmallIntegerField(_("requests at the same time"), default=1)
    sleep_minutes = models.PositiveIntegerField(_("minutes until it sleeps"), default=0)
    health: models.JSONField[Any] = models.JSONField(default=dict, editable=False)

    objects = DeploymentQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("deployment")
        verbose_name_plural = _("deployments")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.SERVE
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def group(self) -> DeploymentQuerySet:
        """It and its replicas, in order."""
        first = self.replica_of_id or self.pk
        rows = Deployment.objects.filter(Q(pk=first) | Q(replica_of=first))
        return rows.order_by(F("replica_of").asc(nulls_first=True), "created_at")

    def set_key(self, key: str) -> None:
        self.credential = encrypt(key)

    @property
    def key(self) -> str:
        return decrypt(self.credential)

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}:{self.port}"

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
