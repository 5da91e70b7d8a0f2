"""Keeping the best checkpoint of a run as its result, instead of the last one."""

import os
import shutil
from pathlib import Path

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.services import audit
from training import curve_blocks, lifecycle, registry
from training.errors import NoCheckpoint
from training.models import Desired, Metric, ModelVersion, TrainingJob
from training.runner.checkpoints import checkpoint_step

# What only a resumed training needs; it may be larger than the model.
LEFT_OUT = shutil.ignore_patterns("optimizer.pt", "scheduler.pt", "rng_state*", "*.bin", "*.tmp")


def best_checkpoint(job: TrainingJob) -> tuple[Path, int, float] | None:
    """Folder, step and evaluation loss of the best complete checkpoint that is on the disk."""
    evaluations = _evaluations(job)
    found = []
    for folder in job.folder.glob("attempt-*/output/checkpoint-*"):
        step = checkpoint_step(folder)
        known = [loss for at, loss in evaluations if step is not None and at <= step]
        if step is not None and known:
            found.append((known[-1], step, folder))
    if not found:
        return None
    loss, step, folder = min(found, key=lambda each: (each[0], each[1]))
    return folder, step, loss


def _evaluations(job: TrainingJob) -> list[tuple[int, float]]:
    rows = Metric.objects.filter(workload_id=job.pk, values__has_key="eval_loss").order_by("pk")
    series = curve_blocks.series_of(rows.iterator(chunk_size=2000)).get("eval_loss", [])
    return [(step, loss) for step, _at, loss in series]


def keep_best(*, job: TrainingJob, actor: User, request: HttpRequest | None = None) -> ModelVersion:
    """Registers the best checkpoint, and ends the run if it has not ended. Raises NoCheckpoint.

    Its files are linked at once: the trainer removes old checkpoints.
    """
    found = best_checkpoint(job)
    if found is None or hasattr(job, "version"):
        raise NoCheckpoint("keep_best", job.state)
    folder, step, loss = found
    target = job.folder / f"best-{step}"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, copy_function=_link, ignore=LEFT_OUT)
    with transaction.atomic():
        job.output_path = str(target)
        job.summary = job.summary | {"eval_loss": loss, "kept_step": step}
        TrainingJob.objects.filter(pk=job.pk).update(
            output_path=job.output_path, summary=job.summary
        )
        version = registry.register_version(job)
        after = {"step": step, "eval_loss": loss}
        audit(actor=actor, action="job.keep_best", target=job, after=after, request=request)
        if not lifecycle.stop_waiting(job):
            lifecycle.ask(job, Desired.STOP)
    return version


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)
    return target
