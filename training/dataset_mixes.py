"""Several datasets in one, each with a weight: how often its records are taken."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from llmplatform.arrays import np
from training import dataset_work, datasets
from training.dataset_changes import same_columns
from training.dataset_conversions import CHAT_FORMATS, rewritten
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.formats.items import Item
from training.formats.layouts import Layout
from training.models import Dataset, DatasetWork, WorkKind
from training.withdrawn import taken_back

MAX_SOURCES = 20
MAX_WEIGHT = 20.0


@dataclass(frozen=True)
class Source:
    """`weight` 1: each record once; 0.5: half of them, by chance; 2: each of them twice."""

    dataset: Dataset
    weight: float


def mix(*, actor: User, name: str, sources: list[Source], seed: int = 42) -> DatasetWork:
    """A new dataset of several. Chat formats may differ: they become that of the first one, or
    ShareGPT where that is Alpaca. ValidationError by field."""
    datasets.checked_name(name)
    if not 1 <= len(sources) <= MAX_SOURCES:
        text = _("Choose from one to %(limit)d datasets.")
        raise ValidationError({"sources": [text % {"limit": MAX_SOURCES}]})
    for source in sources:
        _check(source, sources[0].dataset)
    return dataset_work.ask(
        owner=actor,
        kind=WorkKind.MIX,
        dataset=sources[0].dataset,
        size_bytes=round(sum(s.dataset.work_bytes * max(1.0, s.weight) for s in sources)),
        request={
            "name": name,
            "seed": seed,
            "sources": [{"dataset": s.dataset.pk, "weight": s.weight} for s in sources],
        },
    )


def _check(source: Source, first: Dataset) -> None:
    dataset = source.dataset
    if not 0 < source.weight <= MAX_WEIGHT:
        text = _("A weight is more than 0 and at most %(limit)d.")
        raise ValidationError({"sources": [text % {"limit": MAX_WEIGHT}]})
    if not dataset.has_file:
        text = _("The file of “%(name)s” is missing.")
        raise ValidationError({"sources": [text % {"name": dataset.name}]})
    are_chats = {dataset.format, first.format} <= set(CHAT_FORMATS)
    if not are_chats and not same_columns(first, dataset):
        text = _("“%(name)s” (%(format)s) does not fit to “%(first)s” (%(wanted)s).")
        values = {"name": dataset.name, "format": dataset.get_format_display()}
        values |= {"first": first.name, "wanted": first.get_format_display()}
        raise ValidationError({"sources": [text % values]})


def _target(chosen: list[Source]) -> Layout:
    """The layout of the mix."""
    first = chosen[0].dataset
    if all(same_columns(first, source.dataset) for source in chosen):
        return layout_of(first.format, first.layout)
    wanted = next((s.dataset for s in chosen if s.dataset.format != "alpaca"), first)
    return layout_of(wanted.format, wanted.layout)


def _times(count: int, weight: float, seed: int) -> Iterator[int]:
    """How often each record is taken: exactly count x weight in all, rounded."""
    whole, part = divmod(weight, 1)
    extra = np.zeros(count, np.uint8)
    chosen = np.random.default_rng(seed).permutation(count)[: round(count * part)]
    extra[chosen] = 1
    return (int(whole) + int(each) for each in extra)


def _items(source: Source, target: Layout, seed: int) -> Iterator[Item]:
    dataset = source.dataset
    layout = layout_of(dataset.format, dataset.layout)
    times = _times(dataset.records, source.weight, seed)
    gone = taken_back(dataset)
    for item, count in zip(datasets.stored_items(dataset.file), times, strict=False):
        if item.line in gone:
            continue
        if count and layout != target:
            item = Item(item.line, rewritten(layout, item.value, target.format))
        for _time in range(count):
            yield item


def perform(work: DatasetWork, progress: Progress) -> None:
    if work.results:
        return
    asked = work.request
    mine = Dataset.objects.for_user(work.owner)
    rows = mine.in_bulk([each["dataset"] for each in asked["sources"]])
    if any(each["dataset"] not in rows for each in asked["sources"]):
        raise ValidationError(_("One of the datasets is gone."))
    chosen = [Source(rows[each["dataset"]], each["weight"]) for each in asked["sources"]]
    target = _target(chosen)
    progress.begin("writing", round(sum(s.dataset.records * s.weight for s in chosen)))
    made = Dataset(
        owner=work.owner, name=asked["name"], parent=chosen[0].dataset, change=_told(asked, chosen)
    )
    datasets.store(
        made,
        progress.counted(_mixed(chosen, target, asked["seed"])),
        target,
        album=datasets.album_of(*(source.dataset for source in chosen)),
        action="dataset.mix",
        actor=work.owner,
        on_saved=progress.made,
        sources=len(chosen),
    )


def _mixed(chosen: Iterable[Source], target: Layout, seed: int) -> Iterator[Item]:
    for number, source in enumerate(chosen):
        yield from _items(source, target, seed + number)


def _told(asked: dict[str, Any], chosen: list[Source]) -> dict[str, Any]:
    sources = [
        {"dataset": s.dataset.pk, "name": str(s.dataset), "weight": s.weight} for s in chosen
    ]
    return {"kind": "mix", "seed": asked["seed"], "sources": sources}
