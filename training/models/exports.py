"""Versions made into files for other programs."""

from pathlib import Path

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.registry import ModelVersion
from training.models.workloads import Kind, Status, Workload, WorkloadQuerySet


class ExportFormat(models.TextChoices):
    MERGED = "merged", _("Merged model (safetensors)")
    GGUF = "gguf", _("GGUF, for llama.cpp and Ollama")


class ModelExportQuerySet(WorkloadQuerySet["ModelExport"]):
    pass


class ModelExport(Workload):
    """A version as a whole model of its own. Its steps are KiB written."""

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="exports")
    format = models.CharField(
        _("format"), max_length=10, choices=ExportFormat.choices, default=ExportFormat.MERGED
    )
    path = models.CharField(max_length=500, blank=True, editable=False)
    size_bytes = models.PositiveBigIntegerField(_("size"), default=0, editable=False)

    objects = ModelExportQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.EXPORT
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def is_here(self) -> bool:
        return self.status == Status.SUCCESS and bool(self.path) and Path(self.path).is_dir()
