"""Examples to learn from: a file of accepted records, and what was refused."""

import uuid
from pathlib import Path
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, Max, OuterRef
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training import dataset_files


class DatasetFormat(models.TextChoices):
    ALPACA = "alpaca", "Alpaca"
    SHAREGPT = "sharegpt", "ShareGPT"
    OPENAI = "openai", _("OpenAI messages")
    PREFERENCE = "preference", _("Preference pairs")
    KTO = "kto", "KTO"
    TEXT = "text", _("Plain text")


# Which stages a format serves.
STAGES: dict[str, tuple[str, ...]] = {
    DatasetFormat.ALPACA: ("sft",),
    DatasetFormat.SHAREGPT: ("sft",),
    DatasetFormat.OPENAI: ("sft",),
    DatasetFormat.PREFERENCE: ("dpo", "rm"),
    DatasetFormat.KTO: ("kto",),
    DatasetFormat.TEXT: ("pt",),
}


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def current(self) -> Self:
        """The newest version of each dataset."""
        newer = Dataset.objects.filter(family=OuterRef("family"), version__gt=OuterRef("version"))
        return self.filter(~Exists(newer))


class Dataset(models.Model):
    """One version of a dataset. Versions of one `family` follow each other; what is stored of a
    version never changes, so that a job can rely on it.

    `errors`: the first rejections as {"line", "record", "code", "params", "fate"}; `reasons`:
    how many of each, {code: {fate: count}}; `findings`: secrets and personal data in the accepted
    ones, {kind: {"count", "records", "places": [{"line", "record", "sample"}]}}; `layout`: what
    dataset_info.json says about the stored file besides its name; `ignored`: columns of the
    uploaded file that no trainer reads; `mapping`: how the file was read and which of its columns
    became which ({"options", "format", "columns", "roles"}), empty when it named them itself;
    `pictures`: different ones, kept beside the file and named by what is in them, so that `sha256`,
    the hash of the file, says what they are, too;
    `duplicates`: records equal to an earlier one (None: not counted); `change`: what made this
    version of `parent`, as {"kind", ...}."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="datasets", verbose_name=_("owner")
    )
    name = models.CharField(_("name"), max_length=100)
    format = models.CharField(_("format"), max_length=12, choices=DatasetFormat.choices)
    layout: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    records = models.PositiveIntegerField(_("records"), default=0)
    rejected = models.PositiveIntegerField(_("rejected"), default=0)
    errors: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    reasons: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    findings: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    ignored: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    mapping: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    placeholders: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    file_name = models.CharField(_("file name"), max_length=200, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0)
    pictures = models.PositiveIntegerField(_("pictures"), default=0, editable=False)
    picture_bytes = models.PositiveBigIntegerField(
        _("size of the pictures"), default=0, editable=False
    )
    sha256 = models.CharField(max_length=64)
    path = models.CharField(max_length=255, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    duplicates = models.PositiveIntegerField(_("duplicates"), null=True, editable=False)
    family = models.UUIDField(default=uuid.uuid4, editable=False)
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, editable=False, related_name="children"
    )
    change: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, editable=False, related_name="+"
    )

    objects = DatasetQuerySet.as_manager()

    class Meta:
        verbose_name = _("dataset")
        verbose_name_plural = _("datasets")
        ordering = ["-created_at", "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["family", "version"], name="dataset_version")
        ]

    def __str__(self) -> str:
        return self.name if self.version == 1 else f"{self.name} · v{self.version}"

    def take_next_version(self) -> None:
        """Number it behind its family. In the transaction that saves it: others wait."""
        rows = Dataset.objects.filter(family=self.family)
        list(rows.select_for_update().values_list("pk"))
        self.version = (rows.aggregate(newest=Max("version"))["newest"] or 0) + 1

    @property
    def versions(self) -> DatasetQuerySet:
        """All of its family, the newest first."""
        return Dataset.objects.filter(family=self.family).order_by("-version")

    @property
    def file(self) -> Path:
        """JSON lines, one accepted record each."""
        return Path(settings.MEDIA_ROOT) / self.path

    @property
    def work_bytes(self) -> int:
        """How much a new version has to write or link."""
        return self.size_bytes + self.picture_bytes

    @property
    def has_file(self) -> bool:
        return bool(self.path) and self.file.is_file()

    @property
    def stages(self) -> tuple[str, ...]:
        return STAGES.get(self.format, ())


@receiver(post_delete, sender=Dataset)
def _remove_file(sender: type[Dataset], instance: Dataset, **kwargs: Any) -> None:
    """Also when it goes with its owner."""
    transaction.on_commit(lambda: _give_back(instance.file))


def _give_back(file: Path) -> None:
    """At once it is only out of sight: somebody waits for an answer."""
    from training import dispatch

    dataset_files.set_aside(file)
    dispatch.sweep_datasets()
