"""What a training will need, told before it starts: memory by part and by machine, steps, time,
cost and disk, and what would help where it does not fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

from training.memory import NONE, Memory, Setup, disk_bytes, memory_of, trainable
from training.models import BaseModel, Dataset, Node
from training.pace import (
    counted_tokens,
    data_of,
    memory_factor,
    pace_of,
    seconds_of,
    steps_of,
    work_of,
)
from training.remedies import Remedy, remedies
from training.shapes import Shape, shape_of

TIGHT_FROM = 0.85
FITTING = ("fits", "tight")
VERDICTS = ("fits", "tight", "too_large", "unknown", "no_node")
CENT = Decimal("0.0001")


@dataclass(frozen=True)
class Place:
    """A slot of a live node; `available_bytes` and `disk_free_bytes` as of its last sample."""

    node: str
    name: str
    is_gpu: bool
    available_bytes: int
    count: int = 1
    cores: int = 1
    hour_price_usd: Decimal | None = None
    disk_free_bytes: int | None = None


@dataclass(frozen=True)
class Work:
    """Operations on each device: by the size of the file, and by counted tokens if there are."""

    rough: float
    counted: float | None


@dataclass(frozen=True)
class Offer:
    """The training on one place. `verdict`: fits, tight, too_large or unknown."""

    place: Place
    verdict: str
    memory: Memory | None
    seconds: int | None
    basis: str
    runs: int
    cost_usd: Decimal | None
    has_disk: bool


@dataclass(frozen=True)
class Estimate:
    """None means unknown. `memory` is corrected by `factor`, which `memory_runs` past runs told."""

    verdict: str
    best: Offer | None
    offers: tuple[Offer, ...]
    memory: Memory | None
    rule: Memory | None
    factor: float
    memory_runs: int
    trainable_parameters: int | None
    steps: int | None
    work: Work
    disk_bytes: int | None
    remedies: tuple[Remedy, ...]

    @property
    def place(self) -> Place | None:
        return self.best.place if self.best else None

    @property
    def is_too_large(self) -> bool:
        return self.verdict == "too_large"

    @property
    def seconds(self) -> int | None:
        return self.best.seconds if self.best else None

    @property
    def cost_usd(self) -> Decimal | None:
        return self.best.cost_usd if self.best else None

    def as_json(self) -> dict[str, Any]:
        return {
            "memory": _memory_json(self.memory),
            "trainable_parameters": self.trainable_parameters,
            "verdict": self.verdict,
            "place": _place_json(self.best),
            "places": [_place_json(offer) for offer in self.offers],
            "steps": self.steps,
            "tokens_counted": self.work.counted is not None,
            "time_s": self.seconds,
            "time_basis": self.best.basis if self.best else None,
            "cost_usd": self.cost_usd,
            "disk_bytes": self.disk_bytes,
            "runs_known": self.best.runs if self.best else 0,
            "memory_runs_known": self.memory_runs,
            "remedies": [
                {"label": each.label, "values": each.values, "total_bytes": each.memory.total}
                for each in self.remedies
            ],
        }


def _memory_json(memory: Memory | None) -> dict[str, int] | None:
    if memory is None:
        return None
    parts = {f"{part}_bytes": size for part, size in asdict(memory).items()}
    return parts | {"total_bytes": memory.total}


def _place_json(offer: Offer | None) -> dict[str, Any] | None:
    if offer is None:
        return None
    place = offer.place
    return {
        "node": place.node,
        "name": place.name,
        "is_gpu": place.is_gpu,
        "count": place.count,
        "available_bytes": place.available_bytes,
        "needed_bytes": offer.memory.total if offer.memory else None,
        "verdict": offer.verdict,
        "time_s": offer.seconds,
        "cost_usd": offer.cost_usd,
        "has_disk": offer.has_disk,
    }


def places() -> list[Place]:
    """Machines that are there now, by kind of slot; GPUs before CPUs, then the roomiest."""
    found = []
    for node in Node.objects.available().prefetch_related("slots"):
        sample = node.samples.order_by("-at").first()
        by_kind: dict[tuple[bool, str], list[int]] = {}
        for slot in node.slots.all():
            room = slot.memory_bytes
            if not slot.is_gpu and sample is not None:
                room = max(0, node.memory_bytes - sample.memory_used_bytes)
            by_kind.setdefault((slot.is_gpu, slot.name), []).append(room)
        for (is_gpu, name), rooms in by_kind.items():
            found.append(
                Place(
                    node=node.name,
                    name=name,
                    is_gpu=is_gpu,
                    available_bytes=max(rooms),
                    count=len(rooms),
                    cores=node.cpu_count,
                    hour_price_usd=node.hour_price_usd,
                    disk_free_bytes=sample.disk_free_bytes if sample else None,
                )
            )
    return sorted(found, key=lambda place: (place.is_gpu, place.available_bytes), reverse=True)


def estimate(
    *,
    base_model: BaseModel,
    dataset: Dataset,
    stage: str,
    method: str,
    parameters: Mapping[str, Any],
    devices: int = 1,
    strategy: str = NONE,
    eval_dataset: Dataset | None = None,
) -> Estimate:
    """For cleaned `parameters` with their defaults. Says what a job takes, not whether it may."""
    setup = Setup(stage, method, parameters, devices, strategy)
    shape = shape_of(base_model)
    rough = data_of(dataset, parameters, eval_dataset=eval_dataset)
    tokens = counted_tokens(dataset, base_model, parameters)
    data = rough if tokens is None else replace(rough, tokens=tokens)
    steps = steps_of(data, setup)
    work = Work(
        rough=work_of(shape, rough, setup, steps_of(rough, setup)),
        counted=None if tokens is None else work_of(shape, data, setup, steps),
    )
    disk = disk_bytes(shape, setup, steps) if shape else None
    offers = tuple(_offer(place, shape, setup, base_model, steps, work, disk) for place in places())
    best = _best(offers)
    is_gpu = best is not None and best.place.is_gpu
    factor, runs = memory_factor(base_model=base_model, setup=setup, is_gpu=is_gpu)
    rule = memory_of(shape, setup, is_gpu=is_gpu) if shape else None
    return Estimate(
        verdict=best.verdict if best else "no_node",
        best=best,
        offers=offers,
        memory=rule.scaled(factor) if rule else None,
        rule=rule,
        factor=factor,
        memory_runs=runs,
        trainable_parameters=trainable(shape, setup) if shape else None,
        steps=steps,
        work=work,
        disk_bytes=disk,
        remedies=_remedies(shape, setup, best, factor),
    )


def _offer(
    place: Place,
    shape: Shape | None,
    setup: Setup,
    base_model: BaseModel,
    steps: int,
    work: Work,
    disk: int | None,
) -> Offer:
    memory = None
    if shape is not None:
        factor, _runs = memory_factor(base_model=base_model, setup=setup, is_gpu=place.is_gpu)
        memory = memory_of(shape, setup, is_gpu=place.is_gpu).scaled(factor)
    pace = pace_of(
        base_model=base_model,
        setup=setup,
        is_gpu=place.is_gpu,
        device=place.name,
        cores=place.cores,
        is_counted=work.counted is not None,
    )
    done = work.counted if pace.is_counted and work.counted is not None else work.rough
    seconds = None
    if shape is not None or pace.basis == "same":
        seconds = seconds_of(pace, done, steps, is_gpu=place.is_gpu)
    cost = None
    if seconds is not None and place.hour_price_usd is not None:
        hours = Decimal(seconds * setup.devices) / 3600
        cost = (place.hour_price_usd * hours).quantize(CENT)
    return Offer(
        place=place,
        verdict=_verdict(memory, place),
        memory=memory,
        seconds=seconds,
        basis=pace.basis,
        runs=pace.runs,
        cost_usd=cost,
        has_disk=disk is None or place.disk_free_bytes is None or disk < place.disk_free_bytes,
    )


def _verdict(memory: Memory | None, place: Place) -> str:
    if memory is None:
        return "unknown"
    share = memory.total / max(1, place.available_bytes)
    if share > 1:
        return "too_large"
    return "tight" if share > TIGHT_FROM else "fits"


def _best(offers: Sequence[Offer]) -> Offer | None:
    """The first place that it fits on; places come with the best ones first."""
    for verdict in VERDICTS:
        for offer in offers:
            if offer.verdict == verdict:
                return offer
    return None


def _remedies(
    shape: Shape | None, setup: Setup, best: Offer | None, factor: float
) -> tuple[Remedy, ...]:
    if shape is None or best is None or best.verdict == "fits":
        return ()
    place = best.place
    found = remedies(
        shape, setup, is_gpu=place.is_gpu, room_bytes=place.available_bytes, factor=factor
    )
    return tuple(found)
