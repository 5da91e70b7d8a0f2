"""Examples that other parts of the platform hand over: to datasets, and back out of them."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.models import User
from llmplatform.arrays import np
from training import datasets
from training.dataset_changes import new_version
from training.dataset_lines import hashes_of, line_hash
from training.dataset_texts import explain, reason
from training.formats.conversations import OPENAI, Conversations
from training.formats.detection import layout_of
from training.formats.items import Item
from training.formats.layouts import Answer, Layout
from training.formats.problems import Problem, Refusal
from training.models import Dataset, WithdrawnRecord
from training.withdrawn import holds as holds

# By the stage that learns from them.
LAYOUTS: dict[str, Layout] = {
    "sft": Conversations("openai", OPENAI, Answer.SINGLE),
    "dpo": Conversations("preference", OPENAI, Answer.PAIR),
    "kto": Conversations("kto", OPENAI, Answer.TAGGED),
}
HASHES_A_QUERY = 500


def problem_with_example(stage: str, example: Mapping[str, Any]) -> str:
    """Why a dataset for `stage` would not take it, in words; "" if it would."""
    try:
        LAYOUTS[stage].clean(example)
    except Problem as problem:
        return reason(problem.code, problem.params)
    return ""


def example_hash(stage: str, example: Mapping[str, Any]) -> int:
    """What it is known by in every dataset that has it; with a sign, as databases like it."""
    line = orjson.dumps(LAYOUTS[stage].clean(example)) + b"\n"
    return int(np.uint64(line_hash(line)).view(np.int64))


def receive_examples(
    *,
    owner: User,
    name: str,
    stage: str,
    examples: Iterable[Mapping[str, Any]],
    change: Mapping[str, Any],
    after: Dataset | None = None,
    on_saved: Callable[[Dataset], None] = lambda dataset: None,
    request: HttpRequest | None = None,
) -> Dataset:
    """A dataset of OpenAI messages for `stage` (sft, dpo, kto), validated like an upload: a new
    one, or the version after `after`. `on_saved` runs in its transaction.

    ValidationError where no example can be used, or the name cannot.
    """
    told = {"kind": "collect", **change}
    if after is None:
        dataset = Dataset(owner=owner, name=datasets.checked_name(name.strip()), change=told)
    else:
        dataset = new_version(after, told)
    items = (Item(number, dict(example)) for number, example in enumerate(examples, start=1))
    try:
        return datasets.store(
            dataset,
            items,
            LAYOUTS[stage],
            action="dataset.collect",
            actor=owner,
            request=request,
            on_saved=on_saved,
        )
    except Refusal as refusal:
        raise ValidationError(explain(refusal)) from refusal


def welcome_back(owner: User, line_hashes: Collection[int]) -> None:
    """Records that somebody gives again after having taken them back."""
    for rows in _portions(line_hashes):
        WithdrawnRecord.objects.filter(owner=owner, line_hash__in=rows).delete()


def take_back(owner: User, line_hashes: Collection[int]) -> None:
    """No version that is made from now on of any dataset of `owner` has these records."""
    for hashes in _portions(line_hashes):
        rows = [WithdrawnRecord(owner=owner, line_hash=number) for number in hashes]
        WithdrawnRecord.objects.bulk_create(rows, ignore_conflicts=True)


def leave_out(
    owner: User, line_hashes: Collection[int], families: Collection[uuid.UUID]
) -> list[Dataset]:
    """Where the newest version has a record that was taken back, its successor without, if that
    has any record left. Those that were made."""
    found = versions_holding(owner, line_hashes, families)
    made = [_without(row, line_hashes) for row in found if row.versions[0].pk == row.pk]
    return [dataset for dataset in made if dataset is not None]


def record_hashes(dataset: Dataset, start: int, stop: int) -> list[int]:
    """What its records are known by, in their order, from position `start` to before `stop`."""
    return [
        int(number) for number in np.asarray(hashes_of(dataset.file)[start:stop]).view(np.int64)
    ]


def _without(dataset: Dataset, line_hashes: Collection[int]) -> Dataset | None:
    gone = int(holds(dataset, line_hashes).sum())
    try:
        return datasets.store(
            new_version(dataset, {"kind": "withdrawal", "count": gone}),
            datasets.kept_items(dataset),
            layout_of(dataset.format, dataset.layout),
            album=datasets.album_of(dataset),
            action="dataset.withdrawal",
        )
    except Refusal:  # nothing is left, and a dataset is never empty
        return None


def versions_holding(
    owner: User, line_hashes: Collection[int], families: Collection[uuid.UUID]
) -> list[Dataset]:
    """The versions of these families, and of datasets made from them, that have such a record;
    the newest first."""
    found = [
        dataset
        for dataset in _with_descendants(owner, families)
        if dataset.has_file and bool(holds(dataset, line_hashes).any())
    ]
    return sorted(found, key=lambda dataset: (dataset.created_at, dataset.pk), reverse=True)


def _with_descendants(owner: User, families: Collection[uuid.UUID]) -> list[Dataset]:
    mine = Dataset.objects.for_user(owner)
    found = {row.pk: row for row in mine.filter(family__in=families)}
    mixes = list(mine.filter(change__kind="mix"))
    fresh = set(found)
    while fresh:
        families = {found[pk].family for pk in fresh}
        rows = list(mine.filter(parent__in=fresh)) + list(mine.filter(family__in=families))
        rows += [row for row in mixes if fresh & _sources(row)]
        fresh = {row.pk for row in rows} - found.keys()
        found |= {row.pk: row for row in rows}
    return list(found.values())


def _sources(mix: Dataset) -> set[int]:
    return {each["dataset"] for each in mix.change.get("sources", ())}


def _portions(line_hashes: Collection[int]) -> Iterable[list[int]]:
    rows = list(line_hashes)
    for start in range(0, len(rows), HASHES_A_QUERY):
        yield rows[start : start + HASHES_A_QUERY]
