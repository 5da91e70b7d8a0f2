"""Where a workload could run: all the places it needs, or the reason why there are none.

Everything is decided on one picture of the machines, from which a plan takes places as it gives
them away. A workload for several GPUs that has to wait keeps those that are free already, so that
small ones do not pass it for ever.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from training.models import Deployment, Forecast, Kind, Node, NodeSample, Slot, Workload
from training.models.workloads import ACTIVE
from training.waiting import Waiting

# They move files or look at a few tokens, and need no place that a training could have.
WITHOUT_SLOT = (Kind.FETCH, Kind.EXPORT, Kind.CHECK)
MOVERS_PER_NODE = 2


@dataclass
class Seat:
    """A slot in the picture. `keeper` has reserved it; `free_at` None: nobody knows."""

    slot: Slot
    free_bytes: int
    holder: Workload | None
    free_at: datetime | None
    keeper: Workload | None = None

    @property
    def is_free(self) -> bool:
        return self.holder is None and self.keeper is None


@dataclass
class Machine:
    node: Node
    seats: list[Seat]
    movers: int = 0

    @property
    def has_gpus(self) -> bool:
        return any(seat.slot.is_gpu for seat in self.seats)


@dataclass(frozen=True)
class Placement:
    """The first node leads. No slots: a deployment on a machine without GPUs."""

    nodes: Sequence[Node]
    slots: Sequence[Slot]


@dataclass
class Picture:
    machines: list[Machine]
    needs: dict[UUID, int] = field(default_factory=dict)
    # Of each deployment the version, and how many of that one a node holds.
    versions: dict[UUID, int] = field(default_factory=dict)
    held: Counter[tuple[int, int]] = field(default_factory=Counter)

    def crowd(self, workload: Workload, machine: Machine) -> int:
        """How many replicas of what it serves are there already."""
        return self.held[self.versions.get(workload.pk, 0), machine.node.pk]

    def seats(self) -> Iterable[Seat]:
        return (seat for machine in self.machines for seat in machine.seats)


def _free_bytes(slot: Slot, sample: NodeSample | None) -> int:
    """What others that are not ours use of a free GPU is not free."""
    if not slot.is_gpu or sample is None or slot.workload_id is not None:
        return slot.memory_bytes
    gpus = {gpu.get("index"): gpu for gpu in sample.gpus}
    return slot.memory_bytes - int(gpus.get(slot.index, {}).get("used_bytes") or 0)


def _end_of(workload: Workload | None, now: datetime) -> datetime | None:
    if workload is None:
        return now
    left = workload.remaining_s
    return now + timedelta(seconds=left) if left is not None else None


def take_picture() -> Picture:
    now = timezone.now()
    recent = now - timedelta(minutes=1)
    machines = []
    for node in Node.objects.prefetch_related("slots__workload"):
        sample = node.samples.filter(at__gt=recent).order_by("-at").first()
        slots = sorted(node.slots.all(), key=lambda slot: (not slot.is_gpu, slot.index))
        if any(slot.is_gpu for slot in slots):
            slots = [slot for slot in slots if slot.is_gpu]
        seats = [
            Seat(slot, _free_bytes(slot, sample), slot.workload, _end_of(slot.workload, now))
            for slot in slots
        ]
        movers = Workload.objects.active().filter(node=node, kind__in=WITHOUT_SLOT).count()
        machines.append(Machine(node, seats, movers))
    rows = Forecast.objects.filter(is_gpu=True, is_overridden=False, memory_bytes__isnull=False)
    waiting = Workload.objects.queued().values("pk")
    pairs = rows.filter(job__in=waiting).values_list("job_id", "memory_bytes")
    picture = Picture(machines, {job_id: size for job_id, size in pairs if size is not None})
    deployments = Deployment.objects.unfinished().values_list(
        "pk", "version_id", "node_id", "status"
    )
    for pk, version, home, status in deployments:
        picture.versions[pk] = version
        if status in ACTIVE and home is not None:
            picture.held[version, home] += 1
    return picture


def _reachable(workload: Workload, machines: Sequence[Machine]) -> list[Machine]:
    """Those that have its files: where it ran before, or what shares that storage."""
    home = workload.node
    if home is None:
        return list(machines)
    shared = home.storage_id
    found = [
        m for m in machines if m.node.pk == home.pk or (shared and m.node.storage_id == shared)
    ]
    return sorted(found, key=lambda m: m.node.pk != home.pk)


def _seats_needed(workload: Workload, machine: Machine) -> int:
    """On a machine without GPUs its one place holds any number of processes."""
    return workload.processes if machine.has_gpus else 1


def usable(workload: Workload, picture: Picture) -> list[Machine] | Waiting:
    """Machines that take work and have its files, whether or not they are free."""
    able = [m for m in picture.machines if m.node.has_training and m.node.is_live]
    if not able:
        return Waiting("no_node")
    reachable = _reachable(workload, able)
    if not reachable:
        name = workload.node.name if workload.node else ""
        return Waiting("node_away", {"node": name})
    taking = [m for m in reachable if not m.node.is_draining]
    return taking or Waiting("draining", {"node": reachable[0].node.name})


def _roomy(workload: Workload, machine: Machine, need: int) -> list[Seat]:
    return [s for s in machine.seats if not s.slot.is_gpu or s.free_bytes >= need]


def fitting(
    workload: Workload, machines: Sequence[Machine], picture: Picture
) -> list[Machine] | Waiting:
    """Those of `machines` whose places would do once they are free."""
    if workload.kind == Kind.SERVE or workload.kind in WITHOUT_SLOT:
        return list(machines)
    big = [m for m in machines if len(m.seats) >= _seats_needed(workload, m)]
    if len(big) < workload.node_count:
        most = max((len(m.seats) for m in machines), default=0)
        shown = {"processes": workload.processes, "nodes": workload.node_count, "most": most}
        return Waiting("too_few", shown)
    need = picture.needs.get(workload.pk, 0)
    roomy = [m for m in big if len(_roomy(workload, m, need)) >= _seats_needed(workload, m)]
    if len(roomy) < workload.node_count:
        most = max((seat.free_bytes for m in big for seat in m.seats), default=0)
        return Waiting("memory", {"needed": need, "most": most})
    return roomy


def _groups(workload: Workload, machines: Sequence[Machine]) -> list[list[Machine]]:
    """Several machines work together only on one storage."""
    if workload.node_count == 1:
        return [list(machines)]
    storages: dict[str, list[Machine]] = {}
    for machine in machines:
        if machine.node.storage_id:
            storages.setdefault(machine.node.storage_id, []).append(machine)
    return [group for group in storages.values() if len(group) >= workload.node_count]


def place(workload: Workload, picture: Picture) -> Placement | Waiting:
    """Takes the places out of the picture, or says what it waits for."""
    machines = usable(workload, picture)
    if isinstance(machines, Waiting):
        return machines
    if workload.kind in WITHOUT_SLOT:
        return _beside(machines)
    machines = fitting(workload, machines, picture)
    if isinstance(machines, Waiting):
        return machines
    if workload.kind == Kind.SERVE:
        # Replicas part; else where its files are comes first.
        machines = sorted(machines, key=lambda machine: picture.crowd(workload, machine))
        if not machines[0].has_gpus:
            return _serving(workload, Placement([machines[0].node], []), picture)
    groups = _groups(workload, machines)
    if not groups:
        return Waiting("storage", {"nodes": workload.node_count})
    need = picture.needs.get(workload.pk, 0)
    for group in groups:
        chosen = _choose(workload, group, need, picture)
        if chosen is not None:
            return _serving(workload, _take(workload, chosen), picture)
    return _wait(workload, groups[0], need)


def _serving(workload: Workload, placement: Placement, picture: Picture) -> Placement:
    """The next replica sees this one."""
    if workload.kind == Kind.SERVE:
        picture.held[picture.versions.get(workload.pk, 0), placement.nodes[0].pk] += 1
    return placement


def _beside(machines: Sequence[Machine]) -> Placement | Waiting:
    """Where few files are being moved yet."""
    machine = min(machines, key=lambda each: each.movers)
    if machine.movers >= MOVERS_PER_NODE:
        return Waiting("movers")
    machine.movers += 1
    return Placement([machine.node], [])


def _free(workload: Workload, machine: Machine, need: int) -> list[Seat]:
    return [seat for seat in _roomy(workload, machine, need) if seat.is_free]


def _choose(
    workload: Workload, machines: Sequence[Machine], need: int, picture: Picture
) -> list[tuple[Machine, list[Seat]]] | None:
    """The tightest that do, so that large holes stay; where its files are comes first, and before
    that where none of its replicas is."""
    found = []
    for machine in machines:
        free, wanted = _free(workload, machine, need), _seats_needed(workload, machine)
        if len(free) >= wanted:
            away = machine.node.pk != workload.node_id
            crowd = picture.crowd(workload, machine)
            rank = (crowd, away, not machine.has_gpus, len(free))
            found.append((rank, machine, free[:wanted]))
    if len(found) < workload.node_count:
        return None
    found.sort(key=lambda each: each[0])
    return [(machine, seats) for _key, machine, seats in found[: workload.node_count]]


def _take(workload: Workload, chosen: list[tuple[Machine, list[Seat]]]) -> Placement:
    seats = [seat for _machine, some in chosen for seat in some]
    for seat in seats:
        seat.holder, seat.free_at = workload, None
    return Placement([machine.node for machine, _seats in chosen], [seat.slot for seat in seats])


def _wait(workload: Workload, machines: Sequence[Machine], need: int) -> Waiting:
    """What is in the way; a workload for several places keeps what is free of them already."""
    seats = [seat for machine in machines for seat in _roomy(workload, machine, need)]
    holders = {s.holder.pk: s.holder for s in seats if s.holder is not None}
    keepers = {s.keeper.pk: s.keeper for s in seats if s.keeper is not None}
    if workload.node_count * workload.processes > 1:
        ranked = sorted(machines, key=lambda m: -len(_free(workload, m, need)))
        for machine in ranked[: workload.node_count]:
            for seat in _free(workload, machine, need)[: _seats_needed(workload, machine)]:
                seat.keeper = workload
    if keepers:
        return Waiting("kept", {}, tuple(keepers.values()))
    return Waiting("busy", {}, tuple(holders.values()))
