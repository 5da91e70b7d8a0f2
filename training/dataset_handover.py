"""Datasets as the trainer finds them: a folder with dataset_info.json and a link to each file."""

import json
from collections.abc import Sequence
from pathlib import Path

from training import dataset_pictures
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
    pictures = dataset_pictures.gather(folder, [dataset.file for dataset in datasets])
    return {"media_dir": str(pictures)} if pictures else {}
