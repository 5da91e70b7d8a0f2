"""Models that a training starts from, and how they come here."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.encryption import decrypt, encrypt
from training.models.workloads import FINAL, Kind, Workload, WorkloadQuerySet


class Hub(models.TextChoices):
    HUGGING_FACE = "huggingface", "Hugging Face"
    MODELSCOPE = "modelscope", "ModelScope"


class BaseModelQuerySet(models.QuerySet["BaseModel"]):
    def for_user(self, user: User) -> Self:
        return self.filter(Q(owner=user) | Q(owner=None))

    def editable_by(self, user: User) -> Self:
        return self.for_user(user) if user.is_admin else self.filter(owner=user)

    def ready(self) -> Self:
        return self.filter(is_ready=True)


class BaseModel(models.Model):
    """A folder on the node's disk, which of a hub's model is fetched first. Without an owner it is
    everyone's.

    `is_ready`: its files are here and a training can load them.
    """

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
    hub = models.CharField(
        _("model hub"), max_length=20, choices=Hub.choices, default=Hub.HUGGING_FACE, blank=True
    )
    revision = models.CharField(
        _("revision"), max_length=100, blank=True, help_text=_("A branch, a tag or a commit.")
    )
    # What the revision was when its files were fetched.
    commit = models.CharField(_("commit"), max_length=100, blank=True, editable=False)
    # The whole model it was exported from, for the lineage.
    source_version = models.ForeignKey(
        "training.ModelVersion",
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="base_models",
    )
    template = models.CharField(_("chat template"), max_length=60, blank=True)
    architecture = models.CharField(_("architecture"), max_length=100, blank=True)
    parameters = models.PositiveBigIntegerField(_("parameters"), null=True, blank=True)
    size_bytes = models.PositiveBigIntegerField(_("size"), null=True, blank=True)
    context_tokens = models.PositiveIntegerField(_("context window"), null=True, blank=True)
    licence = models.CharField(_("licence"), max_length=100, blank=True)
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

    @property
    def hub_page(self) -> str:
        """Where people read about it; empty for a folder."""
        if not self.hub_id:
            return ""
        pages = {
            Hub.HUGGING_FACE: "https://huggingface.co/",
            Hub.MODELSCOPE: "https://modelscope.cn/models/",
        }
        return pages[Hub(self.hub)] + self.hub_id

    @property
    def is_being_made(self) -> bool:
        """Made on the spot, and that has not ended yet, well or badly."""
        return self.builds.exclude(status__in=FINAL).exists()

    @property
    def fetch(self) -> "ModelFetch | None":
        """The newest download, running or not."""
        return self.fetches.order_by("-created_at").first()

    @property
    def build(self) -> "ModelBuild | None":
        """The newest try to make it on the spot."""
        return self.builds.order_by("-created_at").first()


class HubTokenQuerySet(models.QuerySet["HubToken"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)


class HubToken(models.Model):
    """What a person's downloads show to a hub that asks for it; encrypted."""

    encrypted: ClassVar = ("credential",)

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="hub_tokens")
    hub = models.CharField(_("model hub"), max_length=20, choices=Hub.choices)
    credential = models.TextField(editable=False)
    changed_at = models.DateTimeField(_("changed"), default=timezone.now, editable=False)

    objects = HubTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("hub token")
        verbose_name_plural = _("hub tokens")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "hub"], name="one_token_per_hub")
        ]

    def __str__(self) -> str:
        return self.get_hub_display()

    def set_token(self, token: str) -> None:
        self.credential = encrypt(token)

    @property
    def token(self) -> str:
        return decrypt(self.credential)

    @property
    def hint(self) -> str:
        """The last four characters, for recognition only."""
        return f"…{self.token[-4:]}"


class ModelFetchQuerySet(WorkloadQuerySet["ModelFetch"]):
    pass


class ModelFetch(Workload):
    """Brings a base model's files from its hub. Its steps are KiB, of all its files together."""

    base_model = models.ForeignKey(BaseModel, models.CASCADE, related_name="fetches")

    objects = ModelFetchQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("model download")
        verbose_name_plural = _("model downloads")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.FETCH
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def received_bytes(self) -> int:
        return self.step * 1024

    @property
    def total_bytes(self) -> int:
        return self.max_steps * 1024


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
