"""Runs in SwanLab: a process beside each training writes what its events tell (runner/mirror.py).

Our own rows are the truth. The node of a run starts its mirror, and starts it again until all is
delivered; the training never waits for it and does not know of it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from training.models import MirrorState, Node, TrainingJob
from training.models.workloads import ACTIVE
from training.shim import locks
from training.shim.nudging import nudge
from training.shim.process import PASSED_ON

SCRIPT = Path(__file__).resolve().parent / "runner" / "mirror.py"
VARIABLES = ("SWANLAB_API_KEY", "SWANLAB_API_HOST", "SWANLAB_WEB_HOST")
MODES = {"local": "local", "cloud": "online", "self-hosted": "online"}
# On one node at the same time; each holds some 80 MB.
MIRRORS_MAX = 16
RETRY_FIRST_S, RETRY_MOST_S = 15.0, 900.0


def mode() -> str:
    """As SwanLab's own package names it; empty when nothing is mirrored."""
    return MODES.get(settings.SWANLAB_MODE, "")


def wait(job: TrainingJob) -> None:
    """From now on there is something to deliver."""
    if mode():
        TrainingJob.objects.filter(pk=job.pk).update(mirror=MirrorState.WAITING)


def logdir(job_id: UUID) -> Path:
    """Of a local run: one folder each, since SwanLab's board shows everything in its folder."""
    return Path(settings.SWANLAB_LOGDIR) / str(job_id)


def forget(job_id: UUID) -> None:
    """Call it in the transaction that deletes the job."""
    transaction.on_commit(lambda: shutil.rmtree(logdir(job_id), ignore_errors=True))


def look_after(node: Node) -> None:
    """On a node, every few seconds: what its mirrors tell, and those that are to run."""
    if not mode() or not Path(settings.TRAINING_PYTHON).exists():
        return
    jobs = TrainingJob.objects.filter(node=node, mirror=MirrorState.WAITING)
    room = MIRRORS_MAX
    for job in jobs.select_related("base_model", "dataset").order_by("-started_at"):
        if locks.holder(_lock(job)) is not None:
            room -= 1
            _note(job, _told(job))
        elif not _settle(job) and room > 0 and _is_due(job):
            room -= 1
            _start(job)


def _lock(job: TrainingJob) -> Path:
    return job.folder / "mirror.lock"


def _told(job: TrainingJob) -> dict[str, Any]:
    try:
        found = json.loads((job.folder / "swanlab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sizes(job: TrainingJob) -> Iterator[int]:
    for path in job.folder.glob("attempt-*/events.jsonl"):
        yield path.stat().st_size


def _is_delivered(job: TrainingJob, told: dict[str, Any]) -> bool:
    delivered = int(told.get("delivered_bytes") or 0)
    return bool(told.get("is_ended")) and delivered >= sum(_sizes(job))


def _note(job: TrainingJob, told: dict[str, Any]) -> None:
    if told and told != job.swanlab:
        TrainingJob.objects.filter(pk=job.pk).update(swanlab=told)
        nudge(job.pk)


def _settle(job: TrainingJob) -> bool:
    """Whether nothing is left to do for now; a run that is paused may go on later."""
    told = _told(job)
    _note(job, told)
    if not any(_sizes(job)):
        return True
    if not _is_delivered(job, told):
        return False
    if job.is_final:
        TrainingJob.objects.filter(pk=job.pk).update(mirror=MirrorState.DELIVERED)
    return job.status not in ACTIVE


def _is_due(job: TrainingJob) -> bool:
    """After a failure there is a pause, longer each time."""
    told = _told(job)
    if not told.get("error"):
        return True
    pause_s = min(RETRY_FIRST_S * 2 ** int(told.get("failures", 0)), RETRY_MOST_S)
    return bool(time.time() - float(told.get("at", 0)) > pause_s)


def spec_of(job: TrainingJob) -> dict[str, Any]:
    wanted = mode()
    folder = logdir(job.pk) if wanted == "local" else job.folder / "swanlab"
    about = {
        "base_model": job.base_model.name,
        "dataset": job.dataset.name,
        "dataset_sha256": job.dataset.sha256,
        "stage": job.stage,
        "method": job.method,
    }
    return {
        "folder": str(job.folder),
        "state_path": str(job.folder / "swanlab.json"),
        "run_id": job.pk.hex,
        "project": settings.SWANLAB_PROJECT,
        "experiment": job.name,
        "mode": wanted,
        "logdir": str(folder),
        "config": about | job.parameters,
    }


def _start(job: TrainingJob) -> None:
    try:
        lock = locks.take(_lock(job))
    except locks.Held:
        return
    with lock, (job.folder / "mirror.log").open("wb") as log:
        spec = job.folder / "mirror.json"
        spec.write_text(json.dumps(spec_of(job), ensure_ascii=False), encoding="utf-8")
        _spawn([str(settings.TRAINING_PYTHON), str(SCRIPT), str(spec)], lock, log)


def _spawn(command: list[str], lock: IO[str], log: IO[bytes]) -> None:
    """The mirror inherits the lock and holds it as long as it lives, whoever its parent is."""
    names = (*PASSED_ON, *VARIABLES)
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={name: os.environ[name] for name in names if name in os.environ},
        pass_fds=[lock.fileno()],
        start_new_session=True,
    )
    locks.name_holder(lock, child.pid)
