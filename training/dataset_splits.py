"""A part for training and a part for evaluation, without leaks: records that are equal or alike
stay on one side. The same seed gives the same parts."""

from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from llmplatform.arrays import np
from training import dataset_work, datasets
from training.dataset_likeness import groups_of
from training.dataset_lines import hashes_of
from training.dataset_work import Progress
from training.formats.detection import layout_of
from training.models import Dataset, DatasetWork, WorkKind

if TYPE_CHECKING:
    import numpy.typing as npt

MAX_SHARE = 0.5
MAX_SEED = 2**31 - 1
TOGETHER = ("near", "exact")


def split(
    *, dataset: Dataset, actor: User, share: float, seed: int = 42, together: str = "near"
) -> DatasetWork:
    """Two new datasets; `share` of the records is for evaluation. ValidationError by field."""
    if not dataset.has_file:
        raise ValidationError({"dataset": [_("The file of this dataset is missing.")]})
    if not 0 < share <= MAX_SHARE:
        raise ValidationError({"share": [_("Choose more than 0 and at most half.")]})
    if not 0 <= seed <= MAX_SEED:
        raise ValidationError({"seed": [_("Choose a whole number from 0 on.")]})
    if together not in TOGETHER:
        raise ValidationError({"together": [_("Choose near or exact.")]})
    if dataset.records < 2:
        raise ValidationError({"dataset": [_("A single record cannot be split.")]})
    return dataset_work.ask(
        owner=actor,
        kind=WorkKind.SPLIT,
        dataset=dataset,
        size_bytes=dataset.work_bytes,
        request={"share": share, "seed": seed, "together": together},
    )


def chosen(groups: "npt.NDArray[Any]", *, share: float, seed: int) -> "npt.NDArray[np.bool_]":
    """True for the records of evaluation: whole groups in random order, as long as they fit.

    ValidationError when there is only one group.
    """
    names, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise ValidationError(_("All records are alike: no part would be free of the other."))
    wanted = max(1, round(len(groups) * share))
    order = np.random.default_rng(seed).permutation(len(names))
    taken, count = np.zeros(len(names), np.bool_), 0
    for group in order:
        if count + sizes[group] <= wanted:
            taken[group] = True
            count += int(sizes[group])
            if count == wanted:
                break
    if not count:
        taken[order[np.argmin(sizes[order])]] = True
    return np.asarray(taken[place.reshape(-1)])


def perform(work: DatasetWork, progress: Progress) -> None:
    source, asked = work.dataset, work.request
    if source is None:
        return
    if asked["together"] == "near":
        groups: npt.NDArray[Any] = groups_of(source, progress)
    else:
        groups = hashes_of(source.file)
    is_held_out = chosen(groups, share=asked["share"], seed=asked["seed"])
    parts = (("train", ~is_held_out, _("training")), ("eval", is_held_out, _("evaluation")))
    for part, is_in, word in parts[len(work.results) :]:
        _write(work, source, progress, part, is_in, word)


def _write(
    work: DatasetWork,
    source: Dataset,
    progress: Progress,
    part: str,
    is_in: "npt.NDArray[np.bool_]",
    word: str,
) -> None:
    progress.begin("writing", source.records)
    told = {"kind": "split", "part": part, **work.request, "from": str(source)}
    ending = f" ({word})"
    made = Dataset(
        owner=source.owner,
        name=source.name[: datasets.NAME_CHARS - len(ending)] + ending,
        file_name=source.file_name,
        parent=source,
        change=told,
    )
    items = progress.counted(datasets.kept_items(source))
    datasets.store(
        made,
        (item for item in items if is_in[item.line - 1]),
        layout_of(source.format, source.layout),
        album=datasets.album_of(source),
        action="dataset.split",
        actor=work.owner,
        on_saved=progress.made,
        part=part,
    )
