"""A job as it would be, before it is one: what stands against it, what it takes, its YAML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from llmplatform.text import money
from training import argument_conflicts, checks, leakage, llamafactory, presets, vision
from training.argument_table import BY_NAME
from training.estimate import Estimate, estimate
from training.models import BaseModel, Dataset, Strategy
from training.parallel import Sharing, checked_sharing, deepspeed_config, parallel_arguments

OTHER_LABELS = {
    "eval_dataset": gettext_lazy("Evaluation dataset"),
    "dataset": gettext_lazy("Dataset"),
}


@dataclass(frozen=True)
class Preview:
    estimate: Estimate
    yaml: str
    command: str
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def bars(self) -> list[dict[str, Any]]:
        """The parts of memory as pieces of a bar 100 wide, which is what there is or is needed."""
        memory = self.estimate.memory
        if memory is None:
            return []
        whole = max(1, self._whole)
        parts = (
            (_("Weights"), memory.weights),
            (_("Gradients"), memory.gradients),
            (_("Optimiser"), memory.optimizer),
            (_("Activations"), memory.activations),
            (_("Overhead"), memory.overhead),
        )
        bars, x = [], 0.0
        for label, size in parts:
            width = 100 * size / whole
            bars.append({"label": label, "size": size, "x": f"{x:.2f}", "width": f"{width:.2f}"})
            x += width
        return bars

    @property
    def _whole(self) -> int:
        needed = self.estimate.memory.total if self.estimate.memory else 0
        place = self.estimate.place
        return max(needed, place.available_bytes if place else 0)

    @property
    def room_x(self) -> str:
        """Where in the bar the memory of the place ends, if more is needed."""
        place, memory = self.estimate.place, self.estimate.memory
        if place is None or memory is None or memory.total <= place.available_bytes:
            return ""
        return f"{100 * place.available_bytes / memory.total:.2f}"

    @property
    def cost(self) -> str:
        return money(self.estimate.cost_usd or Decimal(0), "USD")

    @property
    def remedies(self) -> list[dict[str, Any]]:
        return [
            {
                "label": each.label,
                "values_json": presets.shown(each.values),
                "total": each.memory.total,
                "fits": each.fits,
            }
            for each in self.estimate.remedies
        ]

    @property
    def note_rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "label": BY_NAME[name].label if name in BY_NAME else OTHER_LABELS[name],
                "text": text,
            }
            for name, text in self.notes
        ]


def preview(
    *,
    owner: User,
    name: str,
    sharing: Sharing | None = None,
    base_model: BaseModel,
    dataset: Dataset,
    stage: str,
    method: str,
    parameters: Mapping[str, Any],
    eval_dataset: Dataset | None = None,
) -> Preview:
    """ValidationError keyed by field, as create_job() would raise it."""
    chosen: checks.Chosen = {
        "stage": stage,
        "method": method,
        "base_model": base_model,
        "dataset": dataset,
        "eval_dataset": eval_dataset,
    }
    cleaned = checks.checked(parameters, **chosen)
    sharing = checked_sharing(sharing or Sharing(), owner=owner, stage=stage, method=method)
    args = llamafactory.preview_args(
        stage=stage,
        method=method,
        base_model=base_model,
        dataset_name=dataset.name,
        parameters=cleaned,
        eval_dataset_name=eval_dataset.name if eval_dataset else "",
    )
    args |= shown_args(sharing)
    return Preview(
        estimate=estimate(
            **chosen,
            parameters=llamafactory.DEFAULTS | cleaned,
            devices=sharing.processes * sharing.nodes,
            strategy=sharing.memory_strategy,
        ),
        yaml=llamafactory.yaml_of(args),
        command=f"{launch_words(sharing)}llamafactory-cli train {file_name(name)}.yaml",
        notes=(
            *leakage.notes(dataset, eval_dataset),
            *vision.notes(dataset, base_model, cleaned),
            *_notes(cleaned, chosen),
        ),
    )


def _notes(cleaned: Mapping[str, Any], chosen: checks.Chosen) -> argument_conflicts.Found:
    return argument_conflicts.notes(
        cleaned,
        stage=chosen["stage"],
        method=chosen["method"],
        context_tokens=chosen["base_model"].context_tokens,
        records=chosen["dataset"].records,
        has_gpu=checks.has_gpu(),
    )


def launch_words(sharing: Sharing) -> str:
    """What LLaMA-Factory's own command is told in its environment about several processes."""
    if not sharing.is_parallel and sharing.strategy == Strategy.DDP:
        return ""
    words = f"FORCE_TORCHRUN=1 NPROC_PER_NODE={sharing.processes} "
    return words if sharing.nodes == 1 else f"{words}NNODES={sharing.nodes} NODE_RANK=0 "


def shown_args(sharing: Sharing) -> dict[str, Any]:
    """With DeepSpeed's configuration in the place of the file that a job is given."""
    args = parallel_arguments(
        sharing.strategy, is_parallel=sharing.is_parallel, has_gpu=True, deepspeed_path=""
    )
    if "deepspeed" in args:
        args["deepspeed"] = deepspeed_config(sharing.strategy)
    return args


def file_name(name: str) -> str:
    """A name that every shell and disk takes."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:80] or "job"
