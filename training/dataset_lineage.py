"""Who used a dataset: trainings, the model versions they made, and where those are served."""

from dataclasses import dataclass

from django.db.models import Q

from training.dataset_lines import hashes_of, line_hash
from training.models import Dataset, Deployment, ModelVersion, TrainingJob
from training.models.workloads import FINAL


@dataclass(frozen=True)
class Usage:
    """Of one or more versions. `derived`: datasets made from them."""

    jobs: list[TrainingJob]
    models: list[ModelVersion]
    deployments: list[Deployment]
    derived: list[Dataset]

    @property
    def is_empty(self) -> bool:
        return not (self.jobs or self.models or self.deployments or self.derived)


def usage_of(*versions: Dataset) -> Usage:
    """Model versions outlive their jobs, and are then known by the content they learnt from."""
    wanted = [version.pk for version in versions]
    owner = versions[0].owner_id
    jobs = TrainingJob.objects.filter(dataset__in=wanted).select_related("dataset")
    same = Q(job__dataset__in=wanted)
    for version in versions:
        same |= Q(owner_id=owner, job=None, lineage__dataset_sha256=version.sha256)
    models = list(ModelVersion.objects.filter(same).order_by("-created_at"))
    served = Deployment.objects.filter(version__in=models).exclude(status__in=FINAL)
    families = {version.family for version in versions}
    derived = Dataset.objects.filter(parent__in=wanted).exclude(family__in=families)
    return Usage(
        list(jobs.order_by("-created_at")),
        models,
        list(served.select_related("version").order_by("-created_at")),
        list(derived.order_by("-created_at")),
    )


def versions_with(dataset: Dataset, line: bytes) -> list[Dataset]:
    """The versions of its family that hold this very record (a stored line with its end)."""
    wanted = line_hash(line)
    return [
        version
        for version in dataset.versions
        if version.has_file and bool((hashes_of(version.file) == wanted).any())
    ]


def same_name(dataset: Dataset) -> list[Dataset]:
    """Other datasets of the owner that are called the same."""
    rows = Dataset.objects.filter(owner=dataset.owner_id, name=dataset.name).current()
    return list(rows.exclude(family=dataset.family))
