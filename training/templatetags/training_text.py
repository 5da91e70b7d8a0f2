"""Filters for the training pages: durations, numbers, and the look of a state."""

from collections.abc import Callable, Mapping
from typing import Any

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_stubs_ext import StrOrPromise

from training.curves import number as short_number
from training.models import Status, Workload
from training.refusals import explained

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400
# state -> (badge, icon)
LOOKS = {
    "pending": ("", "clock"),
    "preparing": ("badge-running", "clock"),
    "running": ("badge-running", "play"),
    "pausing": ("badge-warning", "pause"),
    "paused": ("badge-warning", "pause"),
    "stopping": ("badge-warning", "stop"),
    "stopped": ("", "stop"),
    "success": ("badge-success", "check"),
    "failed": ("badge-danger", "error"),
    "starting": ("badge-running", "clock"),
    "none": ("", "stop"),
}

# By LLaMA-Factory's names of results, and those of the evaluations.
METRICS: dict[str, StrOrPromise] = {
    "train_loss": gettext_lazy("Mean training loss"),
    "loss": gettext_lazy("Last training loss"),
    "eval_loss": gettext_lazy("Evaluation loss"),
    "train_runtime_s": gettext_lazy("Training time (s)"),
    "train_samples_per_second": gettext_lazy("Examples per second"),
    "perplexity": gettext_lazy("Perplexity"),
    "exact": gettext_lazy("Exact match"),
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "preferred": gettext_lazy("Prefers the better answer"),
    "general_loss": gettext_lazy("Loss on general text"),
}
# States of a deployment.
SERVING: dict[str, StrOrPromise] = {
    "none": gettext_lazy("Not deployed"),
    "starting": gettext_lazy("Starting"),
    "running": gettext_lazy("Running"),
    "stopping": gettext_lazy("Stopping"),
    "failed": gettext_lazy("Failed"),
}
# What a box of the lineage stands for.
BOXES: dict[str, StrOrPromise] = {
    "dataset": gettext_lazy("Dataset"),
    "base_model": gettext_lazy("Base model"),
    "job": gettext_lazy("Training"),
    "version": gettext_lazy("Version"),
    "export": gettext_lazy("Export"),
    "deployment": gettext_lazy("Deployment"),
}
# Fields of a version's lineage, and the results in it.
LINEAGE: dict[str, StrOrPromise] = METRICS | {
    "base_model": gettext_lazy("Base model"),
    "dataset": gettext_lazy("Dataset"),
    "eval_dataset": gettext_lazy("Evaluation dataset"),
    "dataset_records": gettext_lazy("Records"),
    "dataset_sha256": "SHA-256",
    "stage": gettext_lazy("Stage"),
    "method": gettext_lazy("Method"),
}


def _labels(table: Mapping[str, StrOrPromise]) -> Callable[[str], str]:
    """A filter: the words for a name, or the name itself."""
    return lambda name: str(table.get(name, name))


metric_label = register.filter("metric_label", _labels(METRICS))
serving_label = register.filter("serving_label", _labels(SERVING))
kind_label = register.filter("kind_label", _labels(BOXES))
lineage_label = register.filter("lineage_label", _labels(LINEAGE))


@register.filter
def duration(seconds: float | None) -> str:
    """8 s, 3 min 20 s, 2 h 5 min, 1 d 3 h; a dash for None."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return _("%(s)d s") % {"s": whole}
    if whole < HOUR:
        return _("%(m)d min %(s)d s") % {"m": whole // MINUTE, "s": whole % MINUTE}
    if whole < DAY:
        return _("%(h)d h %(m)d min") % {"h": whole // HOUR, "m": whole % HOUR // MINUTE}
    return _("%(d)d d %(h)d h") % {"d": whole // DAY, "h": whole % DAY // HOUR}


@register.filter
def short(value: Any) -> str:
    """A number as charts and tables show it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    return short_number(value)


@register.filter
def measure_label(name: str) -> str:
    """The same in an evaluation, where a loss is no training's."""
    return _("Loss") if name == "loss" else metric_label(name)


@register.filter
def signed(value: float) -> str:
    """A change: with its sign, and none where there is no change."""
    return f"+{short_number(value)}" if value > 0 else short_number(value).replace("-", "−")


@register.filter
def first_loss(metrics: dict[str, Any]) -> str:
    """The most telling loss there is."""
    names = ("eval_loss", "loss", "train_loss")
    return short(next((metrics[name] for name in names if name in metrics), None))


@register.filter
def state_text(job: Workload) -> str:
    """The state, and of what is pending whether it waits for a place or for a person."""
    if job.status == Status.PENDING:
        return _("Queued") if job.is_queued else _("On hold")
    return job.state_label


@register.filter
def badge_of(state: str) -> str:
    return LOOKS.get(state, ("", "info"))[0]


@register.filter
def icon_of(state: str) -> str:
    return LOOKS.get(state, ("", "info"))[1]


@register.filter
def words(text: str) -> list[str]:
    """The words of a template's literal."""
    return text.split()


@register.filter
def refusal(detail: str) -> str:
    """Why a model was refused, in words; empty for other failures."""
    return explained(detail)
