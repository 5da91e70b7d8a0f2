"""Keeps what each training was expected to take, and compares it with what it took."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Max
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.translation import gettext as _

from llmplatform.text import money
from training.estimate import CENT, Estimate
from training.memory import GIB
from training.models import Forecast, HardwareSample, Status, TrainingJob, Transition
from training.templatetags.training_text import duration

# What a GPU process holds besides its tensors: the context and the kernels' own memory.
CONTEXT_BYTES = int(0.5 * GIB)


def keep(job: TrainingJob, found: Estimate) -> Forecast:
    """What the person was told when the job was made."""
    place = found.place
    return Forecast.objects.create(
        job=job,
        is_gpu=bool(place and place.is_gpu),
        place=f"{place.node} {place.name}".strip()[:120] if place else "",
        verdict=found.verdict,
        is_overridden=found.is_too_large,
        work=found.work.rough,
        counted_work=found.work.counted,
        rule_memory_bytes=found.rule.total if found.rule else None,
        memory_bytes=found.memory.total if found.memory else None,
        time_s=found.seconds,
        disk_bytes=found.disk_bytes,
        cost_usd=found.cost_usd,
    )


def compare(job: TrainingJob, outcome: Mapping[str, Any]) -> None:
    """What a training that reached its end took; `outcome` is the runner's last event."""
    took, start = times_of(job)
    is_gpu = job.slots.filter(is_gpu=True).exists() or bool(outcome.get("peak_gpu_bytes"))
    Forecast.objects.filter(job=job).update(
        is_gpu=is_gpu,
        took_s=took,
        start_s=start,
        peak_bytes=_peak(job, outcome, is_gpu=is_gpu),
        spent_usd=_spent(job, took),
    )


def _spent(job: TrainingJob, took_s: float) -> Decimal | None:
    """By the price of the first machine; None where it has none."""
    price = job.node.hour_price_usd if job.node else None
    if price is None:
        return None
    hours = Decimal(took_s) * job.processes * job.node_count / 3600
    return (price * hours).quantize(CENT)


@dataclass(frozen=True)
class Compared:
    """One quantity, in words; `measured` and `off_by` are empty before the training succeeds."""

    name: str
    label: str
    expected: str
    measured: str
    off_by: str


def comparison_of(job: TrainingJob) -> list[Compared]:
    """Memory, time and cost: what was expected, what it took; without those nobody knows."""
    found: Forecast | None = getattr(job, "forecast", None)
    if found is None:
        return []
    rows = [
        _compared("memory", _("Memory"), found.memory_bytes, found.peak_bytes, filesizeformat),
        _compared("time", _("Time"), found.time_s, found.took_s, duration),
        _compared("cost", _("Cost"), found.cost_usd, found.spent_usd, _usd),
    ]
    return [row for row in rows if row.expected or row.measured]


def sentence_of(job: TrainingJob) -> str:
    """Of the time alone; empty where nothing can be compared."""
    row = next((row for row in comparison_of(job) if row.name == "time"), None)
    if row is None or not row.expected or not row.measured:
        return ""
    shown = {"expected": row.expected, "measured": row.measured}
    return _("Predicted %(expected)s, took %(measured)s") % shown


def _usd(amount: Decimal) -> str:
    return money(amount, "USD")


def _compared(
    name: str, label: str, expected: Any, measured: Any, shown: Callable[[Any], str]
) -> Compared:
    off_by = "" if not expected or measured is None else f"{float(measured / expected) - 1:+.0%}"
    return Compared(
        name=name,
        label=label,
        expected="" if expected is None else shown(expected),
        measured="" if measured is None else shown(measured),
        off_by=off_by.replace("-", "−").replace("%", " %"),
    )


def times_of(job: TrainingJob) -> tuple[float, float]:
    """Seconds on a node, and of those the ones before a first step; pauses don't count."""
    took, start = 0.0, 0.0
    granted: datetime | None = None
    begun = False
    for row in Transition.objects.filter(workload=job).order_by("at", "pk"):
        if row.status == Status.PREPARING:
            granted, begun = granted or row.at, False
        elif row.status == Status.RUNNING and granted and not begun:
            start += (row.at - granted).total_seconds()
            begun = True
        elif granted:
            took += (row.at - granted).total_seconds()
            granted = None
    if granted:
        took += (timezone.now() - granted).total_seconds()
    return took, start


def _peak(job: TrainingJob, outcome: Mapping[str, Any], *, is_gpu: bool) -> int | None:
    if is_gpu:
        told = outcome.get("peak_gpu_bytes")
        return int(told) + CONTEXT_BYTES if told else None
    told = outcome.get("peak_rss_bytes")
    if told:
        return int(told)
    samples = HardwareSample.objects.filter(workload=job)
    most = samples.aggregate(most=Max("rss_bytes"))["most"]
    return int(most) if most else None
