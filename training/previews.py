"""A job as it would be, before it is one: what stands against it, what it takes, its YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from training import arguments, llamafactory, services
from training.estimate import Estimate, estimate
from training.models import BaseModel, Dataset


@dataclass(frozen=True)
class Preview:
    estimate: Estimate
    yaml: str
    command: str

    @property
    def bars(self) -> list[dict[str, Any]]:
        """The parts of memory as pieces of a bar 100 wide."""
        memory = self.estimate.memory
        if memory is None:
            return []
        parts = (
            (_("Weights"), memory.weights),
            (_("Gradients"), memory.gradients),
            (_("Optimiser"), memory.optimizer),
            (_("Activations"), memory.activations),
            (_("Overhead"), memory.overhead),
        )
        bars, x = [], 0.0
        for label, size in parts:
            width = 100 * size / max(1, memory.total)
            bars.append({"label": label, "size": size, "x": f"{x:.2f}", "width": f"{width:.2f}"})
            x += width
        return bars


def preview(
    *,
    user: User,
    name: str,
    base_model: BaseModel,
    dataset: Dataset,
    stage: str,
    method: str,
    parameters: Mapping[str, Any],
) -> Preview:
    """ValidationError keyed by field, as create_job() would raise it."""
    services.check_fit(stage=stage, method=method, base_model=base_model, dataset=dataset)
    cleaned = arguments.clean(parameters, stage=stage, method=method)
    args = llamafactory.preview_args(
        stage=stage,
        method=method,
        base_model=base_model,
        dataset_name=dataset.name,
        parameters=cleaned,
    )
    return Preview(
        estimate=estimate(
            user=user,
            base_model=base_model,
            dataset=dataset,
            stage=stage,
            method=method,
            parameters=llamafactory.DEFAULTS | cleaned,
        ),
        yaml=llamafactory.yaml_of(args),
        command=f"llamafactory-cli train {file_name(name)}.yaml",
    )


def file_name(name: str) -> str:
    """A name that every shell and disk takes."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:80] or "job"
