"""What is in a dataset: turns, languages, repetitions, and tokens by the tokenizer of a base model.

All of it is counted over all records, in the background, and kept for the version.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from llmplatform.arrays import np
from llmplatform.charts import Bar, bars
from training import dataset_work, datasets
from training.dataset_handover import media_arguments
from training.dataset_languages import language_of
from training.dataset_likeness import groups_of
from training.dataset_lines import count_duplicates
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.formats.pictures import COLUMN
from training.models import BaseModel, Dataset, DatasetStatistics, DatasetWork, WorkKind
from training.shim.process import PASSED_ON

if TYPE_CHECKING:
    import numpy.typing as npt

SCRIPT = Path(__file__).resolve().parent / "runner" / "count_tokens.py"
# Distinct lengths that are kept; longer tails are kept as ranges of lengths.
KEPT_LENGTHS = 4000
COLUMNS = 24
SHOWN_GROUPS = 5
MIN_TURNS, MAX_TURNS = 8, 40
POLL_S = 0.3
LOG_TAIL_BYTES = 2000

Lengths: TypeAlias = "npt.NDArray[np.int64]"


def ask(*, dataset: Dataset, actor: User, base_model: BaseModel | None) -> DatasetWork:
    """Count (again). Without a base model everything but the tokens. ValidationError by field."""
    if not dataset.has_file:
        raise ValidationError({"dataset": [_("The file of this dataset is missing.")]})
    if base_model is not None:
        _check_model(base_model)
    known = dataset.work.open().filter(kind=WorkKind.STATISTICS).first()
    wanted = {"base_model": base_model.pk if base_model else None}
    if known is not None and known.request == wanted:
        return known
    audit(actor=actor, action="dataset.statistics", target=dataset, after=wanted)
    # With tokens never at once: the tokenizer's libraries take seconds to load.
    size = dataset.size_bytes + (2**40 if base_model else 0)
    return dataset_work.ask(
        owner=actor, kind=WorkKind.STATISTICS, dataset=dataset, request=wanted, size_bytes=size
    )


def _check_model(base_model: BaseModel) -> None:
    if not Path(settings.TRAINING_PYTHON).exists():
        text = _("The training environment is missing on this machine: make run installs it.")
        raise ValidationError({"base_model": [text]})
    if not base_model.is_ready or (base_model.path and not Path(base_model.path).is_dir()):
        raise ValidationError({"base_model": [_("This model is not ready yet.")]})


def perform(work: DatasetWork, progress: Progress) -> None:
    dataset = work.dataset
    if dataset is None:
        return
    if not dataset.statistics.filter(base_model=None).exists():
        _keep(dataset, None, _texts(dataset, progress), progress)
    wanted = work.request.get("base_model")
    if wanted is not None:
        base_model = BaseModel.objects.for_user(work.owner).filter(pk=wanted).first()
        if base_model is None:
            raise ValidationError(_("The base model is gone."))
        lengths = count_tokens(dataset, base_model, progress)
        _keep(dataset, base_model, {"lengths": compressed(lengths)}, progress)


def _keep(
    dataset: Dataset, base_model: BaseModel | None, result: dict[str, Any], progress: Progress
) -> None:
    progress.tell()
    DatasetStatistics.objects.filter(dataset=dataset, base_model=base_model).delete()
    DatasetStatistics.objects.create(dataset=dataset, base_model=base_model, result=result)


def _texts(dataset: Dataset, progress: Progress) -> dict[str, Any]:
    groups = groups_of(dataset, progress)
    progress.begin("reading", dataset.records)
    layout = layout_of(dataset.format, dataset.layout)
    turns: Counter[int] = Counter()
    chars: Counter[int] = Counter()
    languages: Counter[str] = Counter()
    pictures: Counter[int] = Counter()
    for item in progress.counted(datasets.stored_items(dataset.file)):
        spoken = [t for t in layout.turns(item.value) if t.speaker not in ("system", "tools")]
        text = "\n".join(turn.text for turn in spoken)
        turns[len(spoken)] += 1
        pictures[len(item.value.get(COLUMN, ()))] += 1
        chars[len(text)] += 1
        languages[language_of(text)] += 1
    return {
        "records": dataset.records,
        "turns": sorted(turns.items()),
        "pictures": sorted(pictures.items()),
        "chars": compressed(np.repeat(list(chars), list(chars.values()))),
        "languages": languages.most_common(),
        "exact_duplicates": dataset.duplicates,
        "near_duplicates": count_duplicates(groups.astype(np.uint64)),
        "largest_groups": _largest_groups(groups),
    }


def _largest_groups(groups: "npt.NDArray[np.uint32]") -> list[dict[str, Any]]:
    """Record numbers (from 1) of the groups with the most members."""
    names, counts = np.unique(groups, return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:SHOWN_GROUPS]
    return [
        {
            "count": int(counts[each]),
            "numbers": [int(n) + 1 for n in np.flatnonzero(groups == names[each])[:10]],
        }
        for each in largest
        if counts[each] > 1
    ]


def count_tokens(dataset: Dataset, base_model: BaseModel, progress: Progress) -> Lengths:
    """Tokens of each record with the model's tokenizer and template, as the trainer makes them."""
    progress.begin("tokens", dataset.records)
    with tempfile.TemporaryDirectory(prefix="tokens-", dir=settings.FILE_UPLOAD_TEMP_DIR) as name:
        folder = Path(name)
        spec = {
            "data": str(dataset.file.resolve()),
            "entry": dataset.layout,
            "stage": dataset.stages[0] if dataset.stages else "sft",
            "model": base_model.location,
            "template": base_model.template,
            "output": str(folder / "lengths"),
            "progress": str(folder / "progress"),
            **media_arguments(folder, [dataset]),
        }
        (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")
        _run(folder, progress)
        return np.fromfile(folder / "lengths", np.uint32).astype(np.int64)


def _run(folder: Path, progress: Progress) -> None:
    """ValidationError with the script's last words when it fails."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    command = [str(settings.TRAINING_PYTHON), str(SCRIPT), str(folder / "spec.json")]
    log = folder / "log.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )
    try:
        while process.poll() is None:
            time.sleep(POLL_S)
            told = folder / "progress"
            progress.reach(int(told.read_text() or 0) if told.exists() else 0)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
    if process.returncode:
        tail = log.read_bytes()[-LOG_TAIL_BYTES:].decode("utf-8", "replace").strip()
        last = tail.splitlines()[-1] if tail else str(process.returncode)
        text = _("The tokenizer of this model could not be used: %(why)s")
        raise ValidationError(text % {"why": last})


def compressed(values: "Lengths | Sequence[int]") -> list[list[int]]:
    """[[value, how many]] in order; of very many values some stand for a short range above them."""
    found, counts = np.unique(np.asarray(values, np.int64), return_counts=True)
    while len(found) > KEPT_LENGTHS:
        width = -(-int(found[-1] - found[0] + 1) // KEPT_LENGTHS)
        found, place = np.unique(-(-found // width) * width, return_inverse=True)
        counts = np.bincount(place.reshape(-1), weights=counts).astype(np.int64)
    return [[int(value), int(count)] for value, count in zip(found, counts, strict=True)]


@dataclass(frozen=True)
class Distribution:
    """Kept values, and what is told of them."""

    pairs: Sequence[Sequence[int]]

    @property
    def count(self) -> int:
        return sum(count for _value, count in self.pairs)

    @property
    def total(self) -> int:
        return sum(value * count for value, count in self.pairs)

    @property
    def longest(self) -> int:
        return max((value for value, _count in self.pairs), default=0)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else 0.0

    def quantile(self, share: float) -> int:
        """The smallest value that at least this share of the records does not exceed."""
        left = share * self.count
        for value, count in self.pairs:
            left -= count
            if left <= 1e-9:
                return value
        return self.longest

    def above(self, limit: int) -> int:
        return sum(count for value, count in self.pairs if value > limit)

    def lost_above(self, limit: int) -> int:
        """What is cut off in all, in the unit of the values."""
        return sum((value - limit) * count for value, count in self.pairs if value > limit)

    def columns(self, limit: int | None = None) -> tuple[Bar, ...]:
        """A histogram up to the 99th percentile and beyond; what exceeds `limit` has a colour."""
        top = max(1, self.quantile(0.99))
        width = -(-top // COLUMNS)
        slots = [[0, 0] for _slot in range(COLUMNS + 1)]
        for value, count in self.pairs:
            slot = slots[min(COLUMNS, max(0, value - 1) // width)]
            slot[1 if limit is not None and value > limit else 0] += count
        columns = []
        for number, (kept, cut) in enumerate(slots):
            end = f"{(number + 1) * width:,}" if number < COLUMNS else "…"
            title = f"{number * width + 1:,}–{end}: {kept + cut:,}"
            columns.append((title, [("1", float(kept)), ("failed", float(cut))]))
        return bars(columns)


def turn_columns(counts: Iterable[Sequence[int]]) -> tuple[Bar, ...]:
    """A column for each number of turns, those that are very long left out."""
    known = {turns: count for turns, count in counts if turns <= MAX_TURNS}
    last = max([*known, MIN_TURNS])
    return bars(
        [(f"{n}: {known.get(n, 0):,}", [("1", float(known.get(n, 0)))]) for n in range(1, last + 1)]
    )


def tokens(row: DatasetStatistics, cutoff: int) -> dict[str, Any]:
    """The figures of one base model's tokens, for a cutoff length."""
    found = Distribution(row.result["lengths"])
    above = found.above(cutoff)
    return {
        "base_model": row.base_model_id,
        "name": str(row.base_model),
        "total": found.total,
        "mean": round(found.mean, 1),
        "median": found.quantile(0.5),
        "p95": found.quantile(0.95),
        "longest": found.longest,
        "cutoff": cutoff,
        "cut_off": above,
        "cut_off_share": round(above / found.count, 6) if found.count else 0.0,
        "tokens_lost": found.lost_above(cutoff),
        "lengths": row.result["lengths"],
    }


def newest(dataset: Dataset) -> tuple[Mapping[str, Any] | None, list[DatasetStatistics]]:
    """The texts' statistics, and those of tokens by base model, the newest first."""
    rows = list(dataset.statistics.select_related("base_model"))
    texts = next((row.result for row in rows if row.base_model_id is None), None)
    return texts, [row for row in rows if row.base_model_id is not None]


def has_tokenizers() -> bool:
    return shutil.which(str(settings.TRAINING_PYTHON)) is not None
