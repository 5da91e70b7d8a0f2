"""Several runs side by side: curves, results, and the parameters in which they differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import User
from training import curve_blocks
from training.arguments import ARGUMENTS
from training.llamafactory import DEFAULTS
from training.models import TrainingJob
from training.templatetags.training_text import duration, metric_label, short

JOBS_MAX = 8
# Results, and whether less is better.
RESULTS = {"eval_loss": True, "train_loss": True, "loss": True, "train_runtime_s": True}
LABELS = {argument.name: argument.label for argument in ARGUMENTS}


@dataclass(frozen=True)
class Row:
    """One fact of each run, in their order; `best` are the positions of the best ones."""

    name: str
    label: str
    values: tuple[str, ...]
    is_different: bool
    best: tuple[int, ...] = ()

    @property
    def cells(self) -> list[dict[str, Any]]:
        return [{"text": text, "is_best": i in self.best} for i, text in enumerate(self.values)]


@dataclass(frozen=True)
class Comparison:
    jobs: list[TrainingJob]

    def setting_rows(self) -> list[Row]:
        rows = [
            self._row("base_model", _("Base model"), [job.base_model.name for job in self.jobs]),
            self._row("dataset", _("Dataset"), [job.dataset.name for job in self.jobs]),
            self._row("stage", _("Stage"), [job.get_stage_display() for job in self.jobs]),
            self._row("method", _("Method"), [job.get_method_display() for job in self.jobs]),
        ]
        names = sorted({name for job in self.jobs for name in job.parameters})
        for name in names:
            values = [job.parameters.get(name, DEFAULTS.get(name)) for job in self.jobs]
            rows.append(self._row(name, str(LABELS.get(name, name)), [short(v) for v in values]))
        return rows

    def differing(self) -> list[Row]:
        return [row for row in self.setting_rows() if row.is_different]

    def equal(self) -> list[Row]:
        return [row for row in self.setting_rows() if not row.is_different]

    def result_rows(self) -> list[Row]:
        rows = []
        for name, less_is_better in RESULTS.items():
            numbers = [_number(job.summary.get(name)) for job in self.jobs]
            if all(number is None for number in numbers):
                continue
            show = duration if name == "train_runtime_s" else short
            texts = [show(number) for number in numbers]
            best = _best(numbers) if less_is_better else ()
            label = _("Training time") if name == "train_runtime_s" else metric_label(name)
            rows.append(self._row(name, label, texts, best))
        return rows

    @staticmethod
    def _row(name: str, label: str, values: Sequence[str], best: tuple[int, ...] = ()) -> Row:
        return Row(name, label, tuple(values), len(set(values)) > 1, best)

    def as_json(self, *, points: int) -> dict[str, Any]:
        return {
            "jobs": [
                {
                    "id": job.pk,
                    "name": job.name,
                    "status": job.state,
                    "parameters": job.parameters,
                    "summary": job.summary,
                    "series": curve_blocks.overview(job.pk, points=points)[0],
                }
                for job in self.jobs
            ],
            "different": [row.name for row in self.differing()],
        }


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _best(numbers: Sequence[float | None]) -> tuple[int, ...]:
    """Nothing where all are equal or only one is known."""
    known = [number for number in numbers if number is not None]
    if len(known) < 2 or min(known) == max(known):
        return ()
    return tuple(i for i, number in enumerate(numbers) if number == min(known))


def compare(*, user: User, job_ids: Sequence[UUID]) -> Comparison:
    """In the order of `job_ids`; what is not theirs is left out."""
    rows = TrainingJob.objects.for_user(user).select_related("base_model", "dataset")
    found = rows.in_bulk(list(dict.fromkeys(job_ids))[:JOBS_MAX])
    return Comparison([found[pk] for pk in dict.fromkeys(job_ids) if pk in found])
