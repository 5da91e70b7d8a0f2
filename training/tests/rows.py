"""Rows for the tests of pages, API and sockets: jobs as they look in the middle of their lives."""

import math
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from training.models import (
    BaseModel,
    Dataset,
    Desired,
    HardwareSample,
    LogChunk,
    Metric,
    ModelVersion,
    Node,
    Reason,
    Slot,
    Status,
    TrainingJob,
    Transition,
)

GIB = 1024**3


def make_base_model(owner: User | None = None, **fields: Any) -> BaseModel:
    known = {
        "name": "Qwen3-0.6B",
        "hub_id": "Qwen/Qwen3-0.6B",
        "template": "qwen3",
        "parameters": 596_000_000,
        "size_bytes": 1_192_000_000,
        "context_tokens": 40_960,
    }
    return BaseModel.objects.create(owner=owner, **known | fields)


def make_dataset(owner: User, **fields: Any) -> Dataset:
    known = {
        "name": "identity",
        "format": "alpaca",
        "records": 91,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "path": "datasets/identity.jsonl",
    }
    return Dataset.objects.create(owner=owner, **known | fields)


def make_node(name: str = "gpu-node-1", *, is_gpu: bool = False, gib: int = 16) -> Node:
    node = Node.objects.create(
        name=name,
        has_training=True,
        cpu_count=8,
        memory_bytes=gib * GIB,
        last_seen_at=timezone.now(),
    )
    label = "NVIDIA A100 80GB" if is_gpu else "CPU"
    Slot.objects.create(node=node, is_gpu=is_gpu, name=label, memory_bytes=gib * GIB)
    return node


def make_job(owner: User, status: str = Status.PENDING, **fields: Any) -> TrainingJob:
    """A job with the row of its status; nothing runs."""
    known: dict[str, Any] = {
        "name": "identity",
        "desired": Desired.STOP if status in ("success", "failed", "stopped") else Desired.RUN,
        "parameters": {"learning_rate": 0.0001, "num_train_epochs": 3.0},
    }
    known |= {"base_model": fields.pop("base_model", None) or make_base_model()}
    known |= {"dataset": fields.pop("dataset", None) or make_dataset(owner)}
    if status != Status.PENDING:
        now = timezone.now()
        known |= {"attempt": 1, "started_at": now - timedelta(minutes=4), "max_steps": 60}
        known |= {"step": 24, "epoch": 1.2, "step_s": 1.5}
    if status in ("success", "failed", "stopped"):
        known |= {"finished_at": timezone.now()}
    if status == Status.SUCCESS:
        known |= {"step": 60, "epoch": 3.0, "summary": {"train_loss": 1.23, "loss": 0.41}}
        known |= {"facts": facts()}
    if status == Status.FAILED:
        detail = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
        known |= {"reason": Reason.OUT_OF_MEMORY, "detail": detail}
    return TrainingJob.objects.create(owner=owner, status=status, **known | fields)


def facts() -> dict[str, Any]:
    return {
        "trainable_parameters": 1_204_224,
        "all_parameters": 597_204_224,
        "versions": {"llamafactory": "0.9.5", "torch": "2.13.0", "peft": "0.18.1"},
    }


def add_metrics(job: TrainingJob, last: int = 60, every: int = 5, first: int = 5) -> None:
    rows = []
    for step in range(first, last + 1, every):
        values: dict[str, float] = {
            "loss": 0.3 + 3.6 * math.exp(-step / 18) + 0.08 * math.sin(step),
            "learning_rate": 1e-4 * math.cos(step / 60 * math.pi / 2),
            "grad_norm": 1.1 + 0.4 * math.sin(step / 4),
            "tokens_per_second": 1180 + 40 * math.sin(step),
        }
        rows.append(Metric(workload=job, step=step, epoch=step / 20, values=values))
        if step % (every * 2) == 0:
            loss = 0.5 + 3.3 * math.exp(-step / 18)
            rows.append(
                Metric(workload=job, step=step, epoch=step / 20, values={"eval_loss": loss})
            )
    Metric.objects.bulk_create(rows)


def add_hardware(job: TrainingJob, count: int = 30, *, has_gpu: bool = False) -> None:
    start = timezone.now() - timedelta(seconds=5 * count)
    gpu = {"index": 0, "name": "NVIDIA A100", "total_bytes": 80 * GIB, "celsius": 61}
    HardwareSample.objects.bulk_create(
        HardwareSample(
            workload=job,
            at=start + timedelta(seconds=5 * i),
            cpu_percent=180 + 15 * math.sin(i),
            rss_bytes=int((0.6 + 0.01 * i) * GIB),
            gpus=[gpu | {"percent": 80 + i % 9, "used_bytes": 30 * GIB}] if has_gpu else [],
        )
        for i in range(count)
    )


def add_log(job: TrainingJob, lines: list[str], first: int = 0) -> None:
    LogChunk.objects.create(workload=job, first=first, count=len(lines), text="\n".join(lines))


def add_story(job: TrainingJob, *rows: tuple[str, int, int, float]) -> None:
    """(status, step, attempt, minutes ago) each."""
    for status, step, attempt, ago in rows:
        Transition.objects.create(
            workload=job,
            status=status,
            step=step,
            attempt=attempt,
            node_name="gpu-node-1",
            at=timezone.now() - timedelta(minutes=ago),
        )


def make_version(job: TrainingJob, path: str = "") -> ModelVersion:
    return ModelVersion.objects.create(
        owner=job.owner,
        job=job,
        base_model=job.base_model,
        name=job.name,
        path=path,
        size_bytes=4_800_000,
        template="qwen3",
        metrics={"train_loss": 1.23, "loss": 0.41, "eval_loss": 0.52},
        lineage={
            "base_model": job.base_model.name,
            "base_location": job.base_model.location,
            "dataset": job.dataset.name,
            "dataset_sha256": job.dataset.sha256,
            "dataset_records": job.dataset.records,
            "stage": job.stage,
            "method": job.method,
            "parameters": job.parameters,
            "versions": facts()["versions"],
        },
    )
