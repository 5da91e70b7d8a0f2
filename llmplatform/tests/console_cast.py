"""A platform with something to look at: nodes, samples, calls, jobs. Numbers that tests count."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from providers.models import CallRecord, Provider, ProviderModel
from training.models import BaseModel, Dataset, Node, NodeSample, Slot, Status, TrainingJob

GIB = 1024**3


def make_node(name: str = "node-a", *, silent_s: int = 0, **fields: Any) -> Node:
    return Node.objects.create(
        name=name,
        last_seen_at=timezone.now() - timedelta(seconds=silent_s),
        **{
            "has_training": True,
            "cpu_count": 8,
            "memory_bytes": 32 * GIB,
            "disk_bytes": 500 * GIB,
            **fields,
        },
    )


def make_sample(node: Node, *, minutes_ago: float = 0, **fields: Any) -> NodeSample:
    values = {
        "cpu_percent": 50.0,
        "memory_used_bytes": 8 * GIB,
        "disk_free_bytes": 250 * GIB,
        **fields,
    }
    at = timezone.now() - timedelta(minutes=minutes_ago, seconds=2)
    return NodeSample.objects.create(node=node, at=at, **values)


def make_slot(node: Node, **fields: Any) -> Slot:
    return Slot.objects.create(node=node, **{"name": "CPU", "memory_bytes": 32 * GIB, **fields})


def make_model(owner: User | None = None, name: str = "Acme") -> ProviderModel:
    provider = Provider.objects.create(owner=owner, name=name, base_url="https://acme.example/v1")
    return ProviderModel.objects.create(
        provider=provider, model_id=f"{name.lower()}-chat", name=f"{name} chat", types=["chat"]
    )


def make_call(
    model: ProviderModel | None,
    *,
    user: User | None = None,
    at: datetime | None = None,
    status: str = "done",
    **fields: Any,
) -> CallRecord:
    labels = {
        "provider_label": model.provider.name if model else "",
        "model_label": model.model_id if model else "",
    }
    return CallRecord.objects.create(
        at=at or timezone.now() - timedelta(minutes=1),
        user=user,
        model=model,
        source="chat",
        status=status,
        **(labels | fields),
    )


def make_dataset(owner: User, name: str = "examples") -> Dataset:
    return Dataset.objects.create(
        owner=owner, name=name, format="alpaca", records=12, sha256="0" * 64, path="none"
    )


def make_job(owner: User, name: str = "maple", **fields: Any) -> TrainingJob:
    base_model, _created = BaseModel.objects.get_or_create(name="tiny", path="/models/tiny")
    dataset = Dataset.objects.filter(owner=owner).first() or make_dataset(owner)
    return TrainingJob.objects.create(
        owner=owner,
        name=name,
        base_model=base_model,
        dataset=dataset,
        **{"status": Status.PENDING, "queued_at": timezone.now(), "desired": "run", **fields},
    )
