"""A dataset of its own that a training is evaluated on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from training import configurations, leakage, llamafactory, services
from training.models import BaseModel, Dataset, Sweep, TrainingJob
from training.tests.rows import make_base_model, make_dataset

Api = Callable[[User], Any]


def stored(owner: User, name: str, questions: list[str], **fields: Any) -> Dataset:
    path = Path(settings.MEDIA_ROOT) / "datasets" / f"{name}-{owner.pk}" / "data.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"instruction": text, "output": "yes"}) + "\n" for text in questions]
    path.write_text("".join(rows), encoding="utf-8")
    path.with_name("data.hashes").unlink(missing_ok=True)
    known = {"name": name, "records": len(rows), "sha256": name.ljust(64, "0")}
    known |= {"path": str(path.relative_to(settings.MEDIA_ROOT))}
    return make_dataset(owner, **known | fields)


@pytest.fixture
def model() -> BaseModel:
    return make_base_model()


@pytest.fixture
def learned(alice: User) -> Dataset:
    return stored(alice, "learned", ["a", "b", "c", "d"])


@pytest.fixture
def asked(alice: User) -> Dataset:
    return stored(alice, "asked", ["e", "f"])


def make(owner: User, model: BaseModel, dataset: Dataset, **more: Any) -> TrainingJob:
    known = {"name": "a", "base_model": model, "dataset": dataset, "start": False}
    return services.create_job(owner=owner, **known | more)


def test_the_trainer_is_given_both(
    alice: User, model: BaseModel, learned: Dataset, asked: Dataset, tmp_path: Path
) -> None:
    job = make(alice, model, learned, eval_dataset=asked, parameters={"eval_steps": 3})
    args = llamafactory.runner_args(
        job, output=tmp_path, data=tmp_path, dataset_names=["d1", "d2"], has_gpu=False
    )
    told = (args["dataset"], args["eval_dataset"], args["eval_strategy"], args["eval_steps"])
    assert told == ("d1", "d2", "steps", 3)
    assert "val_size" not in args
    text = configurations.export(job)
    assert "eval_dataset: asked" in text
    read = configurations.read(text, user=alice)
    assert (read.eval_dataset, read.dataset) == (asked, learned)
    assert read.refused == [] or {each.name for each in read.refused} <= set(llamafactory.FIXED)
    assert read.parameters["eval_steps"] == 3


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"eval_dataset": "learned"}, "eval_dataset"),
        ({"eval_dataset": "copy"}, "eval_dataset"),
        ({"eval_dataset": "pairs"}, "eval_dataset"),
        ({"eval_dataset": "asked", "parameters": {"val_size": 0.1}}, "val_size"),
    ],
)
def test_what_cannot_tell_anything_is_refused(
    alice: User,
    model: BaseModel,
    learned: Dataset,
    asked: Dataset,
    fields: dict[str, Any],
    blamed: str,
) -> None:
    make_dataset(alice, name="copy", sha256=learned.sha256)
    make_dataset(alice, name="pairs", sha256="c" * 64, format="preference")
    fields |= {"eval_dataset": Dataset.objects.get(name=fields["eval_dataset"])}
    with pytest.raises(ValidationError) as refused:
        make(alice, model, learned, **fields)
    assert set(refused.value.message_dict) == {blamed}
    assert not TrainingJob.objects.exists()


def test_records_in_both_are_pointed_out(
    alice: User, model: BaseModel, learned: Dataset, asked: Dataset, client_for: Any
) -> None:
    assert leakage.notes(learned, asked) == []
    leaking = stored(alice, "leaking", ["b", "z", "d"])
    assert leakage.shared_records(learned, leaking) == 2
    sent = {"name": "a", "base_model": model.pk, "dataset": learned.pk, "stage": "sft"}
    sent |= {"method": "lora", "eval_dataset": leaking.pk}
    page = client_for(alice).post("/training/preview/", sent).content.decode()
    assert "2 of its 3 records are also learned from" in page
    sent["eval_dataset"] = asked.pk
    page = client_for(alice).post("/training/preview/", sent).content.decode()
    assert "also learned from" not in page
    assert "eval_dataset: asked" in page


def test_the_form_and_the_clone(
    alice: User, model: BaseModel, learned: Dataset, asked: Dataset, client_for: Any
) -> None:
    client: Client = client_for(alice)
    sent = {"name": "a", "base_model": model.pk, "dataset": learned.pk, "stage": "sft"}
    sent |= {"method": "lora", "eval_dataset": asked.pk, "val_size": "0.2"}
    refused = client.post("/training/new/", sent)
    assert refused.status_code == 422
    assert "set this to 0" in refused.content.decode()
    assert client.post("/training/new/", sent | {"val_size": "0"}).status_code == 302
    job = TrainingJob.objects.get()
    assert job.eval_dataset == asked
    assert "Evaluated on" in client.get(f"/training/{job.pk}/").content.decode()
    clone = client.get(f"/training/new/?clone={job.pk}")
    assert clone.context["form"]["eval_dataset"].value() == asked.pk
    sweep = sent | {"val_size": "0", "swept_1": "lora_rank", "swept_1_values": "4, 8"}
    assert client.post("/training/new/", sweep).status_code == 302
    jobs = Sweep.objects.get().jobs.all()
    assert {each.eval_dataset for each in jobs} == {asked}


def test_the_api(
    alice: User, bob: User, model: BaseModel, learned: Dataset, asked: Dataset, api: Api
) -> None:
    body = {"base_model": model.pk, "dataset": learned.pk, "eval_dataset": asked.pk}
    assert "eval_dataset: asked" in api(alice).post("training/estimate", **body).json()["yaml"]
    made = api(alice).post("training/jobs", name="a", **body)
    assert (made.status_code, made.json()["eval_dataset"]) == (201, asked.pk)
    foreign = body | {"eval_dataset": make_dataset(bob, sha256="d" * 64).pk}
    refused = api(alice).post("training/jobs", name="a", **foreign)
    assert refused.status_code == 422
    assert "eval_dataset" in json.dumps(refused.json())


def test_it_stays_while_a_training_needs_it(
    alice: User, model: BaseModel, learned: Dataset, asked: Dataset, api: Api
) -> None:
    make(alice, model, learned, eval_dataset=asked)
    assert api(alice).delete(f"datasets/{asked.pk}").status_code == 409
