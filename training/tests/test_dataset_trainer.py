"""Our verdict on a record is the trainer's: LLaMA-Factory itself converts and encodes them."""

import itertools
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training import datasets
from training.dataset_handover import write_dataset_info
from training.formats.detection import LAYOUTS
from training.formats.layouts import Layout
from training.formats.problems import Problem
from training.models import Dataset
from training.tests import dataset_examples as examples
from training.tests.conftest import OFFLINE

JUDGE = Path(__file__).with_name("trainer_judge.py")
STAGES = {"preference": "rm", "kto": "kto", "text": "pt"}
# Values that every field of every good record is replaced with.
ODD_VALUES: list[Any] = [None, "", "x", 5, 1.5, True, [], ["x"], [["x", "y"]], {}, {"x": "y"}, [{}]]

pytestmark = [pytest.mark.training, pytest.mark.xdist_group("training")]


def judge(python: Path, model: Path, folder: Path, spec: Mapping[str, Any]) -> Any:
    """What the trainer says: see trainer_judge.py."""
    path = folder / "spec.json"
    path.write_text(json.dumps({**spec, "model": str(model)}))
    command = [str(python), str(JUDGE), str(path)]
    cache = {"HF_HOME": str(folder / "hf"), "HF_DATASETS_CACHE": str(folder / "cache")}
    run = subprocess.run(command, env=os.environ | OFFLINE | cache, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(path.with_suffix(".out").read_text())


def variations(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The record with one field missing, odd, or (in conversations) one turn changed."""
    found = [dict(record)]
    for key in record:
        found.append({name: value for name, value in record.items() if name != key})
        found += [{**record, key: value} for value in ODD_VALUES]
        turns = record[key]
        if key in ("conversations", "messages"):
            found += [{**record, key: changed} for changed in changed_turns(turns)]
    return found


def changed_turns(turns: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    swapped = [list(order) for order in itertools.permutations(turns[:3])]
    changed = [turns[:n] for n in range(len(turns))] + [[*turns, turns[-1]]] + swapped
    for index, turn in enumerate(turns):
        for key in turn:
            changed += [
                [*turns[:index], {**turn, key: value}, *turns[index + 1 :]]
                for value in (None, 5, "x", "gpt", "human", "system", "assistant", "observation")
            ]
    return changed


def corpus() -> list[tuple[Layout, dict[str, Any]]]:
    pairs: list[tuple[Layout, dict[str, Any]]] = []
    for layout in LAYOUTS:
        good: list[dict[str, Any]] = [
            *examples.GOOD[layout.format],
            *(examples.GOOD_PAIRS + examples.GOOD_PAIRS_OPENAI),
            *(examples.GOOD_TAGGED + examples.GOOD_TAGGED_OPENAI),
        ]
        mine = [record for record in good if layout.fits(record)]
        assert mine
        pairs += [(layout, varied) for record in mine for varied in variations(record)]
        bad = [*examples.BAD[layout.format], *examples.BAD_PAIRS, *examples.BAD_TAGGED]
        pairs += [(layout, record) for record, _code in bad if layout.fits(record)]
    return [(layout, record) for layout, record in pairs if is_json_text(record)]


def is_json_text(record: object) -> bool:
    """Lone surrogates cannot even be handed over."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def verdict(layout: Layout, record: Mapping[str, Any]) -> dict[str, Any] | Problem:
    try:
        return layout.clean(record)
    except Problem as problem:
        return problem


def as_table_row(layout: Layout, record: Mapping[str, Any]) -> dict[str, Any]:
    """The record as Arrow gives it to the converter: a column that is missing reads as None."""
    columns = layout.entry(has_history=True)["columns"].values()
    return {**dict.fromkeys(columns), **record}


def test_every_verdict_is_the_trainers(
    training_python: Path, tiny_model: Path, tmp_path: Path
) -> None:
    judged = [(layout, record, verdict(layout, record)) for layout, record in corpus()]
    cases = [
        {
            "entry": layout.entry(has_history=True),
            "stage": STAGES.get(layout.format, "sft"),
            "record": as_table_row(layout, record if isinstance(ours, Problem) else ours),
        }
        for layout, record, ours in judged
    ]
    accepted = sum(not isinstance(ours, Problem) for _layout, _record, ours in judged)
    assert len(judged) > 1000 and 100 < accepted < len(judged) - 100
    wrong = []
    theirs = judge(training_python, tiny_model, tmp_path, {"cases": cases})["verdicts"]
    for (layout, record, ours), is_kept in zip(judged, theirs, strict=True):
        is_problem = isinstance(ours, Problem)
        if is_problem == is_kept and not is_stricter(ours, record):
            wrong.append(f"{layout.format}: {ours!r}, theirs {is_kept}: {record}")
    assert not wrong, "\n".join(wrong[:20])


def is_stricter(problem: object, record: Mapping[str, Any]) -> bool:
    """Records the trainer takes, to nobody's good (docs/datasets.md explains each rule): null and
    empty values of any type are an empty text to it, a history that is no list is forgotten."""
    if not isinstance(problem, Problem):
        return False
    if problem.code in (*examples.OURS, "turn_missing_field"):
        return True
    field = str(problem.params.get("field"))
    is_typed = problem.code in ("missing_field", "wrong_type")
    return is_typed and (field == "history" or not record.get(field))


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def stored(owner: User, path: Path) -> Dataset:
    with path.open("rb") as file:
        size = path.stat().st_size
        return datasets.import_dataset(owner=owner, file=file, file_name=path.name, size_bytes=size)


def test_the_trainer_reads_every_stored_file_whole(
    alice: User, training_python: Path, tiny_model: Path, tmp_path: Path, settings: Any
) -> None:
    """Through dataset_info.json and its own loader, also where columns come late in the file."""
    settings.MEDIA_ROOT = tmp_path / "files"
    bad = {name: [record for record, _code in rows] for name, rows in examples.BAD.items()}
    files = [
        write(tmp_path / f"{name}.jsonl", records * 2 + bad[name])
        for name, records in examples.GOOD.items()
    ]
    verdicts = [{**examples.GOOD_TAGGED_OPENAI[0], "label": label} for label in (True, False)]
    files.append(write(tmp_path / "pairs.jsonl", examples.GOOD_PAIRS))
    files.append(write(tmp_path / "tagged.jsonl", verdicts))
    # Longer than what Arrow guesses the columns from.
    plain = {"instruction": "q", "output": "answer " * 800}
    late = [plain] * 2_200 + [examples.GOOD["alpaca"][3]] + [plain] * 2_200
    files.append(write(tmp_path / "late.jsonl", late))
    rows = [stored(alice, path) for path in files]
    assert rows[-1].size_bytes > 2 * (10 << 20)
    names = write_dataset_info(tmp_path, rows)
    wanted = [
        {
            "name": name,
            "stage": STAGES.get(row.format, "sft"),
            "loads_only": row is rows[-1],
        }
        for name, row in zip(names, rows, strict=True)
    ]
    spec = {"folder": str(tmp_path), "datasets": wanted}
    counts = judge(training_python, tiny_model, tmp_path, spec)["counts"]
    assert counts == [row.records for row in rows]
