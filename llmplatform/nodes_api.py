"""`GET /api/v1/nodes`: the machines, for administrators."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router

from accounts.access import current_user
from llmplatform.errors import ApiError
from llmplatform.schemas import Answer, Page, Paging, paginate
from training.models import Node, NodeSample, Slot
from training.models.nodes import SEEN_WITHIN

nodes_router = Router(tags=["Nodes"])


class SlotOut(Answer):
    """`workload` is what runs there."""

    index: int
    is_gpu: bool
    name: str
    memory_bytes: int
    workload: dict[str, str] | None


class NodeOut(Answer):
    """What no sample tells is null. `gpus`: index, percent, used_bytes, total_bytes, celsius."""

    id: int
    name: str
    live: bool
    draining: bool
    has_training: bool
    last_seen_at: datetime | None
    sampled_at: datetime | None
    cpu: dict[str, float | None]
    memory: dict[str, int | None]
    disk: dict[str, int | None]
    gpus: list[dict[str, Any]]
    slots: list[SlotOut]


def _slot(slot: Slot) -> dict[str, Any]:
    workload = slot.workload
    runs = workload and {
        "id": str(workload.pk),
        "kind": workload.kind,
        "name": workload.name,
        "status": workload.state,
    }
    return {
        "index": slot.index,
        "is_gpu": slot.is_gpu,
        "name": slot.name,
        "memory_bytes": slot.memory_bytes,
        "workload": runs,
    }


def _shown(node: Node) -> dict[str, Any]:
    last: NodeSample | None = node.samples.order_by("-at").first()
    now = last if last and timezone.now() - last.at < SEEN_WITHIN else None
    return {
        "id": node.pk,
        "name": node.name,
        "live": node.is_live,
        "draining": node.is_draining,
        "has_training": node.has_training,
        "last_seen_at": node.last_seen_at,
        "sampled_at": last.at if last else None,
        "cpu": {"cores": node.cpu_count, "percent": now.cpu_percent if now else None},
        "memory": {
            "total_bytes": node.memory_bytes or None,
            "used_bytes": now.memory_used_bytes if now else None,
        },
        "disk": {
            "total_bytes": node.disk_bytes or None,
            "free_bytes": now.disk_free_bytes if now else None,
        },
        "gpus": now.gpus if now else [],
        "slots": [_slot(slot) for slot in node.slots.all()],
    }


@nodes_router.get("", response=Page[NodeOut])
def list_nodes(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Administrators only."""
    if not current_user(request).is_admin:
        raise ApiError(403, "forbidden", _("Only administrators can do this."))
    return paginate(Node.objects.prefetch_related("slots__workload"), paging, _shown)
