"""Hostile files get the right verdict, and LLaMA-Factory does with them what we say it would."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training import datasets
from training.dataset_handover import write_dataset_info
from training.dataset_texts import explain
from training.formats.detection import detect, layout_of
from training.formats.problems import Refusal
from training.formats.reading import LINES, read_items
from training.models import Dataset
from training.tests import dataset_examples as examples
from training.tests.hostile import (
    HOSTILE,
    JSON_FILES,
    JSON_RECORDS,
    ZIPS,
    Hostile,
    lines,
)
from training.tests.test_dataset_formats import ALL_BAD
from training.tests.test_dataset_trainer import STAGES, judge
from training.tests.test_datasets import folders, media

__all__ = ["media"]
ALPACA = {"formatting": "alpaca", "columns": {"prompt": "instruction", "response": "output"}}


def imported(owner: User, case: Hostile) -> Dataset:
    return datasets.import_dataset(
        owner=owner,
        file=io.BytesIO(case.content),
        file_name=case.file_name,
        size_bytes=len(case.content),
        options=case.options,
    )


def test_there_are_enough() -> None:
    assert len(HOSTILE) >= 60
    assert len({(case.file_name, case.title) for case in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("case", HOSTILE, ids=[case.title for case in HOSTILE])
def test_the_verdict(alice: User, case: Hostile) -> None:
    if case.refusal:
        with pytest.raises(Refusal) as caught:
            imported(alice, case)
        assert caught.value.code == case.refusal
        assert {**caught.value.params, **case.place} == caught.value.params
        assert "%" not in explain(caught.value)
        assert len(caught.value.rejections) <= 10 or case.refusal == "no_valid_records"
        assert (folders(), Dataset.objects.count()) == ([], 0)
        return
    dataset = imported(alice, case)
    found = [(error["line"], error["code"]) for error in dataset.errors]
    assert (dataset.records, found) == (case.records, list(case.rejected))
    assert dataset.rejected == len(found) == len(datasets.rejections_of(dataset))
    kept = dataset.file.read_bytes().splitlines()
    assert len(kept) == dataset.records and all(isinstance(json.loads(row), dict) for row in kept)


def raw_entry(layout: Any, rows: list[Any]) -> dict[str, Any]:
    """dataset_info.json as somebody would write it for the file as it is: the columns it has."""
    present = {name for row in rows if isinstance(row, dict) for name in row}
    entry = layout.entry(has_history=True, has_images=True)
    columns = {key: name for key, name in entry["columns"].items() if name in present}
    if "kto_tag" in entry["columns"]:
        columns["kto_tag"] = "kto_tag" if "kto_tag" in present else "label"
    if "messages" in entry["columns"] and "messages" not in columns:
        columns["messages"] = next(n for n in ("conversations", "messages") if n in present)
    return {**entry, "columns": columns}


def predicted(dataset: Dataset) -> int | str:
    """The records of the file that the trainer would take, by our verdicts, or that it stops."""
    fates = [error["fate"] for error in dataset.errors]
    return "stops" if "stops" in fates else dataset.records + fates.count("kept")


def asked(folder: Path, number: int, name: str, content: bytes, entry: Any, stage: str) -> Any:
    place = folder / f"file{number}"
    place.mkdir()
    (place / name).write_bytes(content)
    return {"path": str(place / name), "entry": entry, "stage": stage}


def outcome(fate: int | str) -> int | str:
    return "stops" if isinstance(fate, str) else fate


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_the_trainer_does_what_we_say(
    alice: User, training_python: Path, tiny_model: Path, media: Path
) -> None:
    expected: list[tuple[str, int | str]] = []
    files: list[dict[str, Any]] = []
    for case in JSON_RECORDS:
        dataset = imported(alice, case)
        layout = layout_of(dataset.format, dataset.layout)
        rows = [item.value for item in read_items(io.BytesIO(case.content), LINES)]
        stage = STAGES.get(dataset.format, "sft")
        entry = raw_entry(layout, rows)
        files.append(asked(media, len(files), case.file_name, case.content, entry, stage))
        expected.append((case.title, predicted(dataset) if case.theirs is None else case.theirs))
    for case in JSON_FILES:
        files.append(asked(media, len(files), case.file_name, case.content, ALPACA, "sft"))
        expected.append((case.title, "stops" if case.theirs is None else case.theirs))
    for good, bad, code in ALL_BAD:
        content = lines(good, bad, good)
        dataset = imported(alice, Hostile(code, "a.jsonl", content))
        layout = detect(io.BytesIO(content), LINES)
        entry = raw_entry(layout, [good, bad])
        stage = STAGES.get(dataset.format, "sft")
        files.append(asked(media, len(files), "a.jsonl", content, entry, stage))
        expected.append((f"{code} {bad}", predicted(dataset)))
    fates = judge(training_python, tiny_model, media, {"files": files})["fates"]
    wrong = [
        f"{title[:160]}: we say {ours}, it says {theirs}"
        for (title, ours), theirs in zip(expected, fates, strict=True)
        if ours != outcome(theirs)
    ]
    assert not wrong, "\n".join(wrong)
    assert {"stops"} < {ours for _title, ours in expected}


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_the_trainer_takes_every_record_we_keep(
    alice: User, training_python: Path, tiny_model: Path, media: Path
) -> None:
    texts = [case for case in HOSTILE if case not in ZIPS]  # pictures need a model that sees
    rows = [imported(alice, case) for case in texts if not case.refusal]
    names = write_dataset_info(media, rows)
    wanted = [
        {"name": name, "stage": STAGES.get(row.format, "sft"), "loads_only": row.format == "text"}
        for name, row in zip(names, rows, strict=True)
    ]
    spec = {"folder": str(media), "datasets": wanted}
    counts = judge(training_python, tiny_model, media, spec)["counts"]
    assert counts == [row.records for row in rows]
    assert len(rows) > 40 and examples.OURS
