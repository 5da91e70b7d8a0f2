"""Records as tokens: the numbers are those a training has, whatever made them."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from conftest import ApiClient
from training import llamafactory, tokens
from training.answering import requests_folder
from training.dataset_handover import write_dataset_info
from training.models import BaseModel, Dataset
from training.shim import locks
from training.tests import dataset_examples as examples
from training.tests.conftest import OFFLINE, wait_for
from training.tests.test_datasets import media, store
from training.tokens import Wanted, tokens_of, wanted_for

__all__ = ["media"]
JUDGE = Path(__file__).with_name("token_judge.py")
STAGES = {"preference": "dpo", "kto": "kto", "text": "pt"}
ROWS = [
    {"instruction": f"What is {n} plus 1?", "output": f"It is {n + 1}. 好的😀"} for n in range(25)
]


@pytest.fixture
def answering(training_python: Path, settings: Any, tmp_path: Path) -> Iterator[Path]:
    """One process for the tests that want real tokens; it goes with them."""
    settings.MEDIA_ROOT = tmp_path
    yield tmp_path
    pid = locks.holder(requests_folder() / "answering.lock")
    if pid:
        os.kill(pid, 15)


def ready(dataset: Dataset, position: int, wanted: Wanted) -> tokens.Tokens:
    def look() -> tokens.Tokens | None:
        found = tokens_of(dataset, position, wanted)
        return None if found.state == "pending" else found

    found: tokens.Tokens = wait_for(look)
    return found


def flat(sequence: dict[str, Any]) -> tuple[list[int], list[int]]:
    ids = [token for piece in sequence["pieces"] for token in piece["tokens"]]
    labels = [
        token if piece["is_learned"] else -100
        for piece in sequence["pieces"]
        for token in piece["tokens"]
    ]
    return ids, labels


def the_trainers(python: Path, folder: Path, model: Path, rows: list[Dataset]) -> Any:
    """Everything that real trainings would be fed with: ids and labels by dataset and record."""
    names = write_dataset_info(folder, rows)
    wanted = [
        {"name": name, "stage": STAGES.get(row.format, "sft"), "cutoff_len": cutoff}
        for name, row in zip(names, rows, strict=True)
        for cutoff in (1024, 40)
    ]
    spec = folder / "tokens.spec.json"
    spec.write_text(json.dumps({"model": str(model), "folder": str(folder), "wanted": wanted}))
    cache = {"HF_HOME": str(folder / "hf"), "HF_DATASETS_CACHE": str(folder / "cache")}
    command = [str(python), str(JUDGE), str(spec)]
    run = subprocess.run(command, env=os.environ | OFFLINE | cache, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return iter(json.loads(spec.with_suffix(".out").read_text()))


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_they_are_the_trainers(
    alice: User, training_python: Path, tiny_model: Path, answering: Path
) -> None:
    rows = [store(alice, examples.GOOD[name] * 2, name=name) for name in examples.GOOD]
    rows += [store(alice, good) for good in (examples.GOOD_PAIRS, ROWS)]
    base = BaseModel.objects.create(name="tiny", path=str(tiny_model), template="qwen")
    theirs = the_trainers(training_python, answering, tiny_model, rows)
    compared, cut, unlearned = 0, 0, 0
    for row in rows:
        for cutoff in (1024, 40):
            wanted = wanted_for(row, base, cutoff_len=cutoff)
            expected = next(theirs)
            assert len(expected) == row.records
            for position, sequences in enumerate(expected):
                found = ready(row, position, wanted)
                assert found.state == "ready", found
                assert [list(flat(each)) for each in found.sequences] == sequences
                compared += 1
                cut += any(each["cut"] > 0 for each in found.sequences)
                unlearned += sum(each["length"] - each["learned"] for each in found.sequences)
    assert compared > 100 and cut > 10 and unlearned > 1000


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_page_and_api_show_them_and_what_went_wrong(
    alice: User,
    bob: User,
    tiny_model: Path,
    answering: Path,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    dataset = store(alice, ROWS)
    base = BaseModel.objects.create(owner=alice, name="tiny", path=str(tiny_model), template="qwen")
    path = f"datasets/{dataset.pk}/tokens?record=11&base_model={base.pk}"
    first = api(alice).get(path)
    assert (first.status_code, first.json()["state"]) == (202, "pending")
    ready(dataset, 11, wanted_for(dataset, base))
    answer = api(alice).get(path)
    assert answer.status_code == 200
    (sequence,) = answer.json()["sequences"]
    texts = {True: "", False: ""}
    for piece in sequence["pieces"]:
        texts[piece["is_learned"]] += piece["text"]
    assert "What is 11 plus 1?" in texts[False] and "It is 12. 好的😀" in texts[True]
    assert 0 < sequence["learned"] < sequence["length"] == sequence["full_length"]
    assert sequence["cut"] == 0
    page = client_for(alice).get(f"/datasets/{dataset.pk}/tokens/?record=12").content.decode()
    assert "is-learned" in page and "Record 12 of 25" in page and "record=13" in page
    # The other records of the block are there as well, without a process.
    assert tokens_of(dataset, 19, wanted_for(dataset, base)).state == "ready"
    both = wanted_for(dataset, base, train_on_prompt=True)
    assert ready(dataset, 0, both).sequences[0]["learned_percent"] == 100
    broken = BaseModel.objects.create(owner=alice, name="gone", path=str(answering / "no"))
    failed = ready(dataset, 0, wanted_for(dataset, broken))
    assert failed.state == "failed" and "does not exist" in failed.error
    assert api(bob).get(path).status_code == 404
    mine = store(bob, ROWS)
    foreign = api(bob).get(f"datasets/{mine.pk}/tokens?base_model={base.pk}")
    assert foreign.status_code == 422


# What the process says after 50 s of trying, with nobody at HF_ENDPOINT.
UNREACHABLE = {
    "error": "OSError: Failed to load tokenizer. ([Errno 111] Connection refused)",
    "causes": [
        "Failed to load tokenizer.",
        "We couldn't connect to 'http://127.0.0.1:9' to load the files, and couldn't find them in "
        "the cached files.\nCheck your internet connection or see how to run the library in "
        "offline mode at 'https://huggingface.co/docs/transformers/installation#offline-mode'.",
        "[Errno 111] Connection refused",
    ],
}


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "The node has no way to the hub: "), ("zh-hans", "节点无法访问模型仓库：")],
)
def test_a_hub_out_of_reach_is_said_plainly(
    alice: User, client_for: Callable[[User], Client], language: str, words: str
) -> None:
    dataset = store(alice, ROWS)
    base = BaseModel.objects.create(owner=alice, name="far", hub_id="a/b", is_ready=True)
    output = tokens._output(dataset, 0, wanted_for(dataset, base))
    output.parent.mkdir(parents=True)
    output.write_text(json.dumps(UNREACHABLE))
    address = (
        f"/datasets/{dataset.pk}/tokens/?base_model={base.pk}&cutoff_len={tokens.DEFAULT_CUTOFF}"
    )
    page = client_for(alice).get(address, headers={"Accept-Language": language}).content.decode()
    assert words in page and "OSError" not in page


def test_what_no_training_could_have_is_refused(
    alice: User, client_for: Callable[[User], Client], api: Callable[[User], ApiClient]
) -> None:
    dataset = store(alice, ROWS)
    base = BaseModel.objects.create(name="tiny", hub_id="a/b", template="qwen")
    for values, field in (
        ({"stage": "dpo"}, "stage"),
        ({"template": "nosuch"}, "template"),
        ({"cutoff_len": 1}, "cutoff_len"),
        ({"train_on_prompt": True, "mask_history": True}, "mask_history"),
    ):
        with pytest.raises(ValidationError) as caught:
            wanted_for(dataset, base, **values)  # type: ignore[arg-type]
        assert field in caught.value.message_dict
        query = "&".join(f"{name}={value}" for name, value in values.items())
        answer = api(alice).get(f"datasets/{dataset.pk}/tokens?base_model={base.pk}&{query}")
        assert answer.status_code == 422 and field in answer.json()["error"]["fields"]
        page = client_for(alice).get(
            f"/datasets/{dataset.pk}/tokens/?base_model={base.pk}&{query.replace('True', 'on')}"
        )
        assert page.status_code == 422
    assert client_for(alice).get(f"/datasets/{dataset.pk}/tokens/?record=26").status_code == 404
    assert client_for(alice).get(f"/datasets/{dataset.pk}/tokens/?record=x").status_code == 404


def test_without_a_training_environment_it_is_said(
    alice: User, settings: Any, tmp_path: Path
) -> None:
    settings.TRAINING_PYTHON = tmp_path / "python"
    dataset = store(alice, ROWS)
    base = BaseModel.objects.create(name="tiny", hub_id="a/b")
    found = tokens_of(dataset, 0, wanted_for(dataset, base))
    assert found.state == "failed" and "No machine" in found.error


def test_a_request_that_nobody_answers_ends(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "ensure_answering", lambda: True)
    dataset = store(alice, ROWS)
    wanted = wanted_for(dataset, BaseModel.objects.create(name="tiny", hub_id="a/b"))
    assert wanted.cutoff_len == llamafactory.DEFAULTS["cutoff_len"]
    assert tokens_of(dataset, 3, wanted).state == "pending"
    (request,) = requests_folder().glob("*.request.json")
    body = json.loads(request.read_text())
    assert len(body["records"]) == tokens.BLOCK and body["stage"] == "sft"
    os.utime(request, (0, 0))
    assert tokens_of(dataset, 3, wanted).state == "failed"
    assert tokens_of(dataset, 3, wanted).state == "pending"
