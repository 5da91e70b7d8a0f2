"""Pictures are trained on for real: the trainer takes every record that we keep, stops where we
say so, and a pause leaves no trace."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from training import checks, dataset_statistics, services, vision
from training.dataset_handover import media_arguments, write_dataset_info
from training.datasets import records_of
from training.formats.detection import layout_of
from training.models import BaseModel, Dataset
from training.shim.process import Runner
from training.shim.works import Training
from training.tests.bundles import (
    EVERY_FORMAT,
    HOSTILE_FILES,
    HOSTILE_PICTURES,
    asked,
    bundle,
    colours,
    picture,
    with_link,
)
from training.tests.conftest import Forker
from training.tests.rows import make_job
from training.tests.test_dataset_hostile import outcome, predicted, raw_entry
from training.tests.test_dataset_trainer import STAGES, judge
from training.tests.test_datasets import media, store
from training.tests.test_exactness import ADAPTER, Run, difference, pause
from training.tests.test_tokens import answering, ready
from training.tokens import wanted_for

__all__ = ["answering", "media"]
STEPS = 16
# A picture of PIXELS² in patches of PATCH (tiny_vision.py).
PICTURE_TOKENS = 4


@pytest.fixture
def seeing(alice: User, seeing_model: Path) -> BaseModel:
    return BaseModel.objects.create(
        owner=alice, name="seeing", path=str(seeing_model), template="llava"
    )


def zipped(owner: User, content: bytes) -> Dataset:
    return store(owner, content, "photos.zip")


def arguments(model: Path, folder: Path, dataset: Dataset, **more: Any) -> dict[str, Any]:
    """As the shim hands them over."""
    (name,) = write_dataset_info(folder, [dataset])
    known = {
        **{"stage": "sft", "do_train": True, "finetuning_type": "lora", "lora_target": "all"},
        **{"model_name_or_path": str(model), "template": "llava", "use_cpu": True, "seed": 42},
        **{"dataset": name, "dataset_dir": str(folder), "report_to": "none"},
        **{"per_device_train_batch_size": 2, "max_steps": STEPS, "learning_rate": 0.01},
        **{"lora_dropout": 0.1, "logging_steps": 1, "save_steps": 5, "cutoff_len": 512},
    }
    return known | media_arguments(folder, [dataset]) | more


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_a_training_on_pictures_is_paused_and_goes_on_exactly(
    alice: User, seeing_model: Path, forker: Forker, tmp_path: Path
) -> None:
    dataset = zipped(alice, colours())
    args = arguments(seeing_model, tmp_path, dataset)
    whole, broken = Run(tmp_path / "whole", args), Run(tmp_path / "broken", args)
    assert forker.end(forker.start(whole.spec())) == 0, whole.log()
    losses = [row["loss"] for row in whole.events("metrics") if "loss" in row]
    assert losses[-1] < losses[0]
    checkpoint = pause(broken, forker, at=4)
    assert forker.end(forker.start(broken.spec(checkpoint))) == 0, broken.log()
    assert difference(whole.weights(ADAPTER), broken.weights(ADAPTER)) == 0


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_pairs_are_trained_with_their_pictures(
    alice: User, seeing_model: Path, forker: Forker, tmp_path: Path
) -> None:
    pair = {"instruction": "<image>Which?", "chosen": "Red.", "rejected": "Blue."}
    rows = [{**pair, "images": ["a.png"]}] * 4
    dataset = zipped(alice, bundle(rows, HOSTILE_FILES))
    run = Run(
        tmp_path / "run", arguments(seeing_model, tmp_path, dataset, stage="dpo", max_steps=2)
    )
    assert forker.end(forker.start(run.spec())) == 0, run.log()


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_what_cuts_a_picture_is_told_with_what_helps(
    alice: User, seeing_model: Path, forker: Forker, tmp_path: Path
) -> None:
    dataset = zipped(alice, colours())
    run = Run(tmp_path / "run", arguments(seeing_model, tmp_path, dataset, cutoff_len=8))
    assert forker.end(forker.start(run.spec())) == 1
    (failed,) = run.events("failed")
    assert failed["kind"] == "configuration"
    assert "image features and image tokens" in failed["message"].lower()


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_the_trainer_does_with_pictures_what_we_say(
    alice: User, training_python: Path, seeing_model: Path, media: Path
) -> None:
    expected, files = [], []
    for number, (record, code) in enumerate([(asked("a.png"), "good"), *HOSTILE_PICTURES]):
        content = with_link(bundle([asked("a.png"), record, asked("a.png")], HOSTILE_FILES))
        dataset = zipped(alice, content)
        folder = media / f"unpacked{number}"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(folder)
        entry = raw_entry(layout_of(dataset.format, dataset.layout), [asked("a.png"), record])
        files.append({"path": str(folder / "data.jsonl"), "stage": "sft", "entry": entry})
        expected.append((f"{code} {record}", predicted(dataset)))
    shown = {"a.png": picture("red"), "b.png": picture("blue")}
    rows = [zipped(alice, bundle([record] * 2, shown)) for record, _format in EVERY_FORMAT]
    wanted = [
        {"name": name, "stage": STAGES.get(row.format, "sft"), "loads_only": False}
        | media_arguments(media, [row])
        for name, row in zip(write_dataset_info(media, rows), rows, strict=True)
    ]
    spec = {"template": "llava", "files": files, "folder": str(media), "datasets": wanted}
    told = judge(training_python, seeing_model, media, spec)
    assert told["counts"] == [2] * len(rows)
    fates = told["fates"]
    wrong = [
        f"{title[:160]}: we say {ours}, it says {theirs}"
        for (title, ours), theirs in zip(expected, fates, strict=True)
        if outcome(theirs) != ours
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_a_picture_is_counted_and_shown_as_tokens(
    alice: User,
    seeing: BaseModel,
    answering: Path,
    forker: Forker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def counted(folder: Path, progress: object) -> None:
        (folder / "spec.json").rename(folder / "spec.count")
        assert forker.end(forker.start(folder / "spec.count")) == 0

    monkeypatch.setattr(dataset_statistics, "_run", counted)
    dataset = zipped(alice, colours(3))
    found = ready(dataset, 0, wanted_for(dataset, seeing))
    assert found.state == "ready", found
    (sequence,) = found.sequences
    (piece,) = [piece for piece in sequence["pieces"] if piece.get("picture")]
    assert piece["picture"] == len(piece["tokens"]) == PICTURE_TOKENS
    work = dataset_statistics.ask(dataset=dataset, actor=alice, base_model=seeing)
    progress = dataset_statistics.Progress(work)
    type(work).objects.filter(pk=work.pk).update(status="running")
    lengths = dataset_statistics.count_tokens(dataset, seeing, progress)
    assert int(lengths[0]) == sequence["length"]


def test_a_job_is_handed_the_pictures_of_both_its_datasets(
    alice: User, base_model: BaseModel, tmp_path: Path
) -> None:
    """One folder is all that the trainer looks in."""
    dataset = zipped(alice, colours(3))
    other = zipped(alice, bundle([asked("a.png")], HOSTILE_FILES))
    for number, (eval_dataset, count) in enumerate([(None, 3), (other, 4)]):
        job = make_job(alice, dataset=dataset, eval_dataset=eval_dataset, base_model=base_model)
        folder = tmp_path / f"attempt-{number}"
        folder.mkdir()
        spec = Training(job).spec(Runner(folder))
        pictures = list(Path(spec["args"]["media_dir"]).iterdir())
        assert len(pictures) == count and all(path.is_file() for path in pictures)
        names = {row["images"][0] for row in records_of(dataset)[:3]}
        assert names <= {path.name for path in pictures}
    plain = make_job(alice, dataset=store(alice, [{"instruction": "q", "output": "a"}]))
    assert "media_dir" not in Training(plain).spec(Runner(tmp_path / "attempt-0"))["args"]


# --- Before the start -------------------------------------------------------------
def test_a_model_that_cannot_see_is_refused(
    alice: User, base_model: BaseModel, tmp_path: Path
) -> None:
    dataset = zipped(alice, colours(3))
    (Path(base_model.path) / "config.json").write_text('{"model_type": "qwen3"}')
    with pytest.raises(ValidationError) as caught:
        services.create_job(owner=alice, name="blind", base_model=base_model, dataset=dataset)
    assert "cannot see" in caught.value.message_dict["base_model"][0]


def test_a_template_without_a_place_for_pictures_is_refused(
    alice: User, base_model: BaseModel
) -> None:
    folder = Path(base_model.path)
    (folder / "config.json").write_text('{"model_type": "qwen2_5_vl", "vision_config": {"d": 1}}')
    assert "base_model" in vision.why_blind(base_model, {})
    (folder / "preprocessor_config.json").write_text("{}")
    dataset = zipped(alice, colours(3))
    chosen: Any = {"stage": "sft", "method": "lora", "base_model": base_model, "dataset": dataset}
    with pytest.raises(ValidationError) as caught:
        checks.checked({}, **chosen)
    assert "qwen2_vl" in caught.value.message_dict["template"][0]
    assert checks.checked({"template": "qwen2_vl"}, **chosen)["template"] == "qwen2_vl"
