"""Who runs next, and where: the queue in order of priority and age onto the free slots."""

from collections.abc import Iterator

from django.db.models import QuerySet

from training import lifecycle
from training.models import Kind, Node, Slot, Workload

# They move files, and need no place that a training could have.
WITHOUT_SLOT = (Kind.FETCH, Kind.EXPORT)
MOVERS_PER_NODE = 2


def queue_position(workload: Workload) -> int | None:
    """1 for the next one; None when it is not waiting."""
    if not workload.is_queued:
        return None
    ids = list(Workload.objects.queued().values_list("pk", flat=True))
    return ids.index(workload.pk) + 1 if workload.pk in ids else None


def _free(node: Node) -> QuerySet[Slot]:
    return node.slots.filter(workload=None)


def _placements(workload: Workload) -> Iterator[tuple[Node, list[Slot]]]:
    """Nodes with room for it; the one that has its files, if any does.

    On a machine without GPUs a deployment takes no slot: it would keep the one CPU place from
    every training. A parity check loads no model and takes none anywhere.
    """
    nodes = Node.objects.available()
    if workload.node_id is not None:
        nodes = nodes.filter(pk=workload.node_id)
    for node in nodes:
        if workload.kind in WITHOUT_SLOT:
            moving = Workload.objects.active().filter(node=node, kind__in=WITHOUT_SLOT)
            if moving.count() < MOVERS_PER_NODE:
                yield node, []
            continue
        has_gpus = node.slots.filter(is_gpu=True).exists()
        if workload.kind == Kind.CHECK or (workload.kind == Kind.SERVE and not has_gpus):
            yield node, []
            continue
        slot = _free(node).order_by("-is_gpu", "index").first()
        if slot is not None:
            yield node, [slot]


def grant_waiting() -> list[Workload]:
    """Leases for as many of the queue as there is room for. Two of these at once do no harm."""
    granted = []
    for workload in Workload.objects.queued():
        for node, slots in _placements(workload):
            if lifecycle.grant(workload, node, slots):
                workload.refresh_from_db()
                granted.append(workload)
                break
    return granted
