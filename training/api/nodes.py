"""API: `nodes`, the machines; `training/queue`, what waits for them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import Field

from accounts.access import current_user, owned_or_404
from accounts.models import User
from llmplatform.errors import ApiError
from llmplatform.schemas import Answer, Page, Paging, Schema, paginate
from training import queueing
from training.draining import set_draining
from training.errors import StateConflict
from training.models import Node, NodeSample, Slot, Workload
from training.models.nodes import SEEN_WITHIN

nodes_router = Router(tags=["Nodes"])
queue_router = Router(tags=["Nodes"])


class SlotOut(Answer):
    """`workload` is what runs there: `kind`, `status`, `id` and `name`."""

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
    versions: dict[str, str]
    last_seen_at: datetime | None
    sampled_at: datetime | None
    cpu: dict[str, float | None]
    memory: dict[str, int | None]
    disk: dict[str, int | None]
    gpus: list[dict[str, Any]]
    slots: list[SlotOut]


class WaitingOut(Answer):
    """`id`, `name` and `owner` are null where it is somebody else's."""

    position: int
    id: UUID | None
    kind: str
    name: str | None
    owner: str | None
    is_own: bool
    priority: int
    places: int
    reason: str = Field(description="As in the `queue` of a job.")
    message: str
    expected_at: datetime | None


class ShareOut(Answer):
    owner: str
    places_held: int
    hours_of_places_in_last_day: float
    gpu_hours_of_month: float
    gpu_hours_limit: float | None


class QueueOut(Answer):
    items: list[WaitingOut]
    shares: list[ShareOut] = Field(description="Your own; for administrators everybody's.")


class PriorityIn(Schema):
    priority: int = Field(description="-5 (yields) to 5 (administrators only).")


def _slot(slot: Slot) -> dict[str, Any]:
    runs = slot.workload and {
        "kind": slot.workload.kind,
        "status": slot.workload.state,
        "id": str(slot.workload.pk),
        "name": slot.workload.name,
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
        "versions": node.versions,
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


def _admin(request: HttpRequest) -> User:
    user = current_user(request)
    if not user.is_admin:
        raise PermissionDenied
    return user


@nodes_router.get("", response=Page[NodeOut])
def list_nodes(request: HttpRequest, paging: Query[Paging]) -> Any:
    """For administrators; what a training may have is in its estimate and in the queue."""
    _admin(request)
    return paginate(Node.objects.prefetch_related("slots__workload"), paging, _shown)


def _switch(request: HttpRequest, node_id: int, *, draining: bool) -> dict[str, Any]:
    admin = _admin(request)
    node = owned_or_404(Node.objects.all(), pk=node_id)
    set_draining(node=node, actor=admin, draining=draining, request=request)
    return _shown(Node.objects.prefetch_related("slots__workload").get(pk=node.pk))


@nodes_router.post("{int:node_id}/drain", response=NodeOut)
def drain_node(request: HttpRequest, node_id: int) -> Any:
    """Nothing new begins there; what runs goes on. Administrators only."""
    return _switch(request, node_id, draining=True)


@nodes_router.post("{int:node_id}/undrain", response=NodeOut)
def undrain_node(request: HttpRequest, node_id: int) -> Any:
    return _switch(request, node_id, draining=False)


def _waiting(row: queueing.Row) -> dict[str, Any]:
    known, waits = row.workload, row.place.workload
    return {
        "position": row.place.position,
        "id": known.pk if known else None,
        "kind": waits.kind,
        "name": known.name if known else None,
        "owner": known.owner.email if known else None,
        "is_own": row.is_own,
        "priority": row.priority,
        "places": waits.node_count * waits.processes,
        "reason": row.place.waiting.code,
        "message": row.reason,
        "expected_at": row.place.expected_at,
    }


@queue_router.get("queue", response=QueueOut)
def get_queue(request: HttpRequest) -> Any:
    """In the order in which places are given out."""
    found = queueing.overview(current_user(request))
    shares = [
        {
            "owner": share.owner.email,
            "places_held": share.held,
            "hours_of_places_in_last_day": share.day_hours,
            "gpu_hours_of_month": share.quota.used,
            "gpu_hours_limit": share.quota.limit,
        }
        for share in found.shares
    ]
    return {"items": [_waiting(row) for row in found.waiting], "shares": shares}


def _reachable(request: HttpRequest, workload_id: str) -> Workload:
    return owned_or_404(queueing.reachable_by(current_user(request)), pk=workload_id)


@queue_router.patch("queue/{workload_id}", response={204: None})
def change_priority(request: HttpRequest, workload_id: str, body: PriorityIn) -> Any:
    """Of your own job; administrators, of anybody's."""
    workload = _reachable(request, workload_id)
    try:
        queueing.set_priority(
            workload=workload,
            actor=current_user(request),
            priority=body.priority,
            request=request,
        )
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return Status(204, None)


@queue_router.post("queue/{workload_id}/withdraw", response={204: None})
def withdraw(request: HttpRequest, workload_id: str) -> Any:
    """Out of the queue: a training can be started again, everything else ends."""
    workload = _reachable(request, workload_id)
    try:
        queueing.withdraw(workload=workload, actor=current_user(request), request=request)
    except StateConflict as error:
        raise ApiError(409, "conflict", error.message) from error
    return Status(204, None)
