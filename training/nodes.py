"""This machine as a node: what it has, what it is doing, and that it is there."""

import contextlib
import importlib.metadata
import logging
import platform
import re
import shutil
import uuid
from datetime import timedelta
from pathlib import Path

import psutil
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from llmplatform.env import read_text
from training.models import Node, NodeSample, Slot
from training.runner.gpus import gpus

logger = logging.getLogger(__name__)

SAMPLE_EVERY = timedelta(seconds=10)
KEEP_SAMPLES = timedelta(days=7)
TOLD_VERSIONS = ("llamafactory", "torch", "transformers", "peft", "trl", "deepspeed", "vllm")


def local_name() -> str:
    """NODE_NAME, or the host's name; safe as part of a queue's name."""
    name = read_text("NODE_NAME", platform.node() or "local")
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)[:90]


def _has_training() -> bool:
    return Path(settings.TRAINING_PYTHON).exists()


def address() -> str:
    """NODE_ADDRESS, or the host's name: where the processes of a run on several nodes meet."""
    return read_text("NODE_ADDRESS", platform.node() or "127.0.0.1")[:255]


def storage_id() -> str:
    """The same for every node that sees the same folder of trainings."""
    root = Path(settings.TRAINING_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    path = root / ".storage-id"
    if not path.exists():
        draft = root / f".storage-{uuid.uuid4().hex}"
        draft.write_text(uuid.uuid4().hex)
        with contextlib.suppress(FileExistsError):  # whoever was first has named it
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text().strip()[:40]


def versions() -> dict[str, str]:
    """Of the packages that decide what a training does, read without starting its interpreter."""
    root = Path(settings.TRAINING_PYTHON).parent.parent
    folders = [str(folder) for folder in root.glob("lib/python3*/site-packages")]
    found = {"python": platform.python_version()}
    for installed in importlib.metadata.distributions(path=folders):
        name = str(installed.metadata["Name"] or "").lower()
        if name in TOLD_VERSIONS:
            found[name] = installed.version
    return found


def register() -> Node:
    """The row of this machine with its slots as they are now."""
    disk = shutil.disk_usage(settings.PLATFORM_DATA)
    node, _created = Node.objects.update_or_create(
        name=local_name(),
        defaults={
            "has_training": _has_training(),
            "cpu_count": psutil.cpu_count() or 1,
            "memory_bytes": psutil.virtual_memory().total,
            "disk_bytes": disk.total,
            "address": address(),
            "storage_id": storage_id(),
            "versions": versions(),
            "last_seen_at": timezone.now(),
        },
    )
    _update_slots(node)
    return node


def _update_slots(node: Node) -> None:
    found = gpus()
    wanted = {(True, int(str(gpu["index"]))): gpu for gpu in found}
    if not found:
        wanted = {(False, 0): {"name": "CPU", "total_bytes": psutil.virtual_memory().total}}
    with transaction.atomic():
        for (is_gpu, index), gpu in wanted.items():
            Slot.objects.update_or_create(
                node=node,
                is_gpu=is_gpu,
                index=index,
                defaults={"name": str(gpu["name"])[:100], "memory_bytes": gpu["total_bytes"]},
            )
        for slot in node.slots.filter(workload=None):
            if (slot.is_gpu, slot.index) not in wanted:
                slot.delete()


def beat() -> Node:
    """Say that this machine is there, and sample it now and then."""
    node = Node.objects.filter(name=local_name()).first()
    if node is None or node.has_training != _has_training():
        node = register()
    now = timezone.now()
    Node.objects.filter(pk=node.pk).update(last_seen_at=now)
    last = node.samples.order_by("-at").first()
    if last is None or now - last.at >= SAMPLE_EVERY:
        _sample(node)
    return node


def _sample(node: Node) -> None:
    NodeSample.objects.create(
        node=node,
        cpu_percent=psutil.cpu_percent(interval=0.2),
        memory_used_bytes=psutil.virtual_memory().total - psutil.virtual_memory().available,
        disk_free_bytes=shutil.disk_usage(settings.PLATFORM_DATA).free,
        gpus=gpus(),
    )


def forget_old_samples() -> int:
    old = NodeSample.objects.filter(at__lt=timezone.now() - KEEP_SAMPLES)
    return old.delete()[0]
