"""Datasets as the trainer finds them: a folder with dataset_info.json and a link to each file."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from training.dataset_files import PICTURES, pictures_of
from training.models import Dataset


def write_dataset_info(folder: Path, datasets: Sequence[Dataset]) -> list[str]:
    """`dataset_info.json` in `folder` and a link to each file beside it; the names in it.

    Names are generated, and nothing but a file name and columns is written: LLaMA-Factory would
    run scripts and fetch addresses that stand there.
    """
    entries = {}
    for dataset in datasets:
        name = f"d{dataset.pk}"
        link = folder / f"{name}.jsonl"
        link.unlink(missing_ok=True)
        link.symlink_to(dataset.file)
        entries[name] = {"file_name": link.name, **dataset.layout}
    text = json.dumps(entries, ensure_ascii=True, indent=1)
    (folder / "dataset_info.json").write_text(text, encoding="ascii")
    return list(entries)


def media_arguments(folder: Path, datasets: Sequence[Dataset]) -> dict[str, str]:
    """Where LLaMA-Factory finds the pictures that records name; nothing where none does."""
    pictures = _gather(folder, [dataset.file for dataset in datasets])
    return {"media_dir": str(pictures)} if pictures else {}


def _gather(folder: Path, data_files: Sequence[Path]) -> Path | None:
    """One folder with the pictures of all these datasets; None without any."""
    sources = [source for file in data_files if (source := pictures_of(file)).is_dir()]
    target = folder / PICTURES
    if not sources:
        return None
    if len(sources) == 1:
        return sources[0]
    target.mkdir(exist_ok=True)
    for source in sources:
        for entry in os.scandir(source):
            link = target / entry.name
            if not link.is_symlink():
                link.symlink_to(entry.path)
    return target
