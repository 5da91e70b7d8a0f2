"""`python -m benchmarks._long_run <job id> ...`: the first job gets a million points, 200,000
samples of its hardware and a log of 200 MB, the others a thousand points each; all have ended.
PLATFORM_DATA names the platform."""

import math
import os
import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

import django

POINTS, POINTS_OF_OTHERS = 1_000_000, 1_000
LOG_BYTES, PIECE_BYTES = 200 * 1024**2, 1024**2
EVAL_EVERY = 1_000
SAMPLES, SAMPLE_EVERY_S = 200_000, 5


def _log() -> Iterator[bytes]:
    """As a trainer writes it, in the pieces that a shim reads."""
    lines, size, number, total = [], 0, 0, 0
    while total < LOG_BYTES:
        number += 1
        loss = 0.5 + 2 / (1 + number / 5000)
        line = f"{{'loss': '{loss:.4f}', 'grad_norm': '0.{number % 1000:03}', 'epoch': '{number}'}}"
        if number % 20_000 == 0:
            line = f"[WARNING|2026-11-28 03:00:00] trainer.py:{number} >> a rare word at {number}"
        line = f"{line} {'.' * 40}\n"
        lines.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield "".join(lines).encode()
            total, lines, size = total + size, [], 0


def main(*job_ids: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "llmplatform.settings"
    django.setup()
    from django.utils import timezone

    from training import curve_blocks
    from training.models import HardwareSample, Metric, TrainingJob
    from training.shim.recording import Recorder

    began = timezone.now() - timedelta(days=12)

    def points(job: TrainingJob, count: int) -> Iterator[Metric]:
        for step in range(1, count + 1):
            values = {
                "loss": 0.5 + 2 / (1 + step / 5000) + random.random() / 10,
                "learning_rate": 1e-4 * (1 + math.cos(math.pi * step / count)),
                "grad_norm": random.random(),
            }
            if step % EVAL_EVERY == 0:
                values["eval_loss"] = values["loss"] + 0.1
            at = began + timedelta(seconds=step)
            yield Metric(workload=job, step=step, epoch=step / count, values=values, at=at)

    def samples(job: TrainingJob) -> Iterator[HardwareSample]:
        for number in range(SAMPLES):
            at = began + timedelta(seconds=number * SAMPLE_EVERY_S)
            gpu = {"index": 0, "percent": 90, "used_bytes": 2**35, "total_bytes": 2**36}
            yield HardwareSample(workload=job, at=at, step=number, cpu_percent=99, gpus=[gpu])

    for number, job in enumerate(TrainingJob.objects.filter(pk__in=job_ids)):
        count = POINTS if str(job.pk) == job_ids[0] else POINTS_OF_OTHERS
        TrainingJob.objects.filter(pk=job.pk).update(
            status="success", attempt=1, step=count, max_steps=count, started_at=began,
            finished_at=timezone.now(), parameters=job.parameters | {"logging_steps": 1},
        )  # fmt: skip
        rows = points(job, count)
        while part := list(islice(rows, 5000)):
            Metric.objects.bulk_create(part)
        curve_blocks.roll_up(job.pk)
        if count == POINTS:
            HardwareSample.objects.bulk_create(samples(job), batch_size=5000)
            recorder = Recorder(job, job.fence)
            for piece in _log():
                recorder.add_log(piece)
        print(number, end=" ", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
