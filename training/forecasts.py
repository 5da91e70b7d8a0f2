"""Keeps what each training was expected to take, and compares it with what it took."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils import timezone

from training.estimate import Estimate
from training.memory import GIB
from training.models import Forecast, HardwareSample, Status, TrainingJob, Transition

# What a GPU process holds besides its tensors: the context and the kernels' own memory.
CONTEXT_BYTES = int(0.5 * GIB)


def keep(job: TrainingJob, found: Estimate, *, is_overridden: bool) -> Forecast:
    """What the person was told when the job was made."""
    place = found.place
    return Forecast.objects.create(
        job=job,
        is_gpu=bool(place and place.is_gpu),
        place=f"{place.node} {place.name}".strip()[:120] if place else "",
        verdict=found.verdict,
        is_overridden=is_overridden,
        work=found.work,
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
        is_gpu=is_gpu, took_s=took, start_s=start, peak_bytes=_peak(job, outcome, is_gpu=is_gpu)
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
