"""Nodes as cards: what each has, uses now, and used over the last hour."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from llmplatform.charts import Line, line
from training.models import Node, NodeSample, Slot, Workload
from training.models.nodes import SEEN_WITHIN

HOUR = timedelta(hours=1)
MINUTES = 60


@dataclass(frozen=True)
class Meter:
    """A share of something, now and by minute; None where no sample says."""

    label: str | Promise
    percent: float | None
    curve: Line
    used_bytes: int | None = None
    total_bytes: int | None = None
    note: str = ""

    @property
    def level(self) -> str:
        if self.percent is None:
            return "unknown"
        return "danger" if self.percent >= 95 else "warning" if self.percent >= 85 else "calm"


@dataclass
class Samples:
    """Per minute of the last hour, oldest first: what was seen in it."""

    cpu: list[list[float]] = field(default_factory=lambda: [[] for _minute in range(MINUTES)])
    memory: list[list[float]] = field(default_factory=lambda: [[] for _minute in range(MINUTES)])
    disk: list[list[float]] = field(default_factory=lambda: [[] for _minute in range(MINUTES)])
    gpu: dict[int, list[list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: [[] for _minute in range(MINUTES)])
    )


@dataclass(frozen=True)
class NodeCard:
    node: Node
    is_live: bool
    sampled_at: datetime | None
    cpu: Meter
    memory: Meter
    disk: Meter
    disk_free_bytes: int | None
    gpus: Sequence[Meter]
    slots: Sequence[Slot]
    # What runs beside the slots: downloads, exports, deployments without a GPU.
    others: Sequence[Workload] = ()

    @property
    def meters(self) -> list[Meter]:
        return [self.cpu, self.memory, self.disk, *self.gpus]


def _means(minutes: Iterable[list[float]]) -> list[float | None]:
    return [sum(seen) / len(seen) if seen else None for seen in minutes]


def _collect(nodes: dict[int, Node], now: datetime) -> dict[int, Samples]:
    found: dict[int, Samples] = defaultdict(Samples)
    start = now - HOUR
    rows = NodeSample.objects.filter(at__gt=start, at__lte=now, node__in=nodes).order_by()
    columns = ("node_id", "at", "cpu_percent", "memory_used_bytes", "disk_free_bytes", "gpus")
    for node_id, at, cpu, memory, free, gpus in rows.values_list(*columns).iterator():
        minute = min(MINUTES - 1, int((at - start).total_seconds() // 60))
        node, samples = nodes[node_id], found[node_id]
        samples.cpu[minute].append(cpu)
        if node.memory_bytes:
            samples.memory[minute].append(memory / node.memory_bytes * 100)
        if node.disk_bytes:
            samples.disk[minute].append(100 - free / node.disk_bytes * 100)
        for gpu in gpus:
            samples.gpu[int(gpu["index"])][minute].append(float(gpu["percent"]))
    return found


def _newest(nodes: dict[int, Node], now: datetime) -> dict[int, NodeSample]:
    """The last sample of each node that is fresh enough to count as now."""
    rows = NodeSample.objects.filter(at__gt=now - SEEN_WITHIN, node__in=nodes).order_by("at")
    return {row.node_id: row for row in rows}


def _meter(
    label: str | Promise,
    minutes: Iterable[list[float]],
    used: float | None,
    total: int,
) -> Meter:
    """Of something that is counted in bytes."""
    curve = line(_means(minutes), 100)
    if used is None or not total:
        return Meter(label, None, curve, None, total or None)
    return Meter(label, used / total * 100, curve, round(used), total)


def _gpu_meters(newest: NodeSample | None, samples: Samples) -> list[Meter]:
    now: dict[int, dict[str, Any]] = {}
    for gpu in newest.gpus if newest else []:
        now[int(gpu["index"])] = gpu
    meters = []
    for index in sorted(now.keys() | samples.gpu.keys()):
        gpu = now.get(index, {})
        meters.append(
            Meter(
                f"GPU {index}",
                gpu.get("percent"),
                line(_means(samples.gpu[index]), 100),
                gpu.get("used_bytes"),
                gpu.get("total_bytes"),
                f"{gpu['celsius']} °C" if gpu.get("celsius") is not None else "",
            )
        )
    return meters


def _card(
    node: Node, newest: NodeSample | None, samples: Samples, others: Sequence[Workload]
) -> NodeCard:
    free = newest.disk_free_bytes if newest else None
    used = node.disk_bytes - free if free is not None and node.disk_bytes else None
    memory = newest.memory_used_bytes if newest else None
    cpu = newest.cpu_percent if newest else None
    return NodeCard(
        node=node,
        is_live=node.is_live,
        sampled_at=newest.at if newest else None,
        cpu=Meter(_("CPU"), cpu, line(_means(samples.cpu), 100)),
        memory=_meter(_("Memory"), samples.memory, memory, node.memory_bytes),
        disk=_meter(_("Disk"), samples.disk, used, node.disk_bytes),
        disk_free_bytes=free,
        gpus=_gpu_meters(newest, samples),
        slots=list(node.slots.all()),
        others=others,
    )


def _beside() -> dict[int, list[Workload]]:
    found: dict[int, list[Workload]] = defaultdict(list)
    rows = Workload.objects.active().filter(slots=None).exclude(node=None)
    for row in rows.select_related("owner").order_by("created_at"):
        found[row.node_id or 0].append(row)
    return found


def node_cards() -> list[NodeCard]:
    """Live ones first."""
    now = timezone.now()
    rows = Node.objects.prefetch_related("slots__workload__owner")
    nodes = {node.pk: node for node in rows}
    samples, newest, others = _collect(nodes, now), _newest(nodes, now), _beside()
    cards = [_card(node, newest.get(pk), samples[pk], others[pk]) for pk, node in nodes.items()]
    return sorted(cards, key=lambda card: (not card.is_live, card.node.name))
