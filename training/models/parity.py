"""Whether what is served is asked as it was taught."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.registry import Deployment, ModelVersion
from training.models.workloads import Kind, Workload, WorkloadQuerySet


class ParityCheckQuerySet(WorkloadQuerySet["ParityCheck"]):
    pass


class ParityCheck(Workload):
    """Training prompts, rendered by the trainer and by the endpoint of one deployment.

    `results`: {"rows": [{"prompt", "difference": None or {"position", "trainer", "endpoint"},
    "trainer_answer", "endpoint_answer", "is_same_answer", …}]}, see runner/parity.py.
    """

    version = models.ForeignKey(ModelVersion, models.CASCADE, related_name="parity_checks")
    served = models.ForeignKey(Deployment, models.SET_NULL, null=True, related_name="parity_checks")
    results: models.JSONField[Any] = models.JSONField(default=dict, editable=False)

    objects = ParityCheckQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("parity check")
        verbose_name_plural = _("parity checks")

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.CHECK
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.results.get("rows", []))

    @property
    def different_tokens(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["difference"] is not None]

    @property
    def different_answers(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if not row["is_same_answer"]]
