"""Exports: who may do what, and real ones; trainings that take a version further."""

import json
import stat
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from safetensors.numpy import load_file

from accounts.models import AuditEvent, User
from training import exports, services
from training.models import BaseModel, Dataset, Metric, ModelExport, ModelVersion, Status
from training.tests.rows import make_job, make_version
from training.tests.test_shim import PARAMETERS, MakeJob, is_in, succeed, train, until

Api = Callable[[User], Any]
ClientFor = Callable[[User], Client]
__all__ = ["train"]  # a fixture


@pytest.fixture
def version(alice: User, tmp_path: Path) -> ModelVersion:
    folder = tmp_path / "version"
    folder.mkdir()
    return make_version(make_job(alice, Status.SUCCESS), str(folder))


def test_an_export_waits_is_stopped_and_deleted(
    alice: User, bob: User, api: Api, version: ModelVersion
) -> None:
    path = f"training/models/{version.pk}/exports"
    made = api(alice).post(path, format="merged")
    assert made.status_code == 202
    found = made.json()
    assert (found["status"], found["is_here"]) == ("pending", False)
    assert api(alice).post(path, format="merged").status_code == 409
    assert api(bob).get(f"training/exports/{found['id']}").status_code == 404
    one = f"training/exports/{found['id']}"
    assert api(alice).delete(one).status_code == 409
    assert api(alice).post(f"{one}/base-model").status_code == 409
    assert api(alice).get(f"{one}/download").status_code == 410
    assert api(alice).post(f"{one}/stop").json()["status"] == "stopped"
    assert api(alice).post(f"{one}/stop").status_code == 409
    assert api(alice).get(path).json()["count"] == 1
    assert api(alice).delete(one).status_code == 204
    told = AuditEvent.objects.filter(action__contains="export").values_list("action", flat=True)
    assert list(told.order_by("pk")) == ["model.export", "export.stop", "export.delete"]


@pytest.mark.parametrize("format", ["gguf", "pickle", ""])
def test_a_format_that_is_not_there(
    alice: User, api: Api, version: ModelVersion, settings: Any, format: str
) -> None:
    settings.GGUF_CONVERTER = ""
    refused = api(alice).post(f"training/models/{version.pk}/exports", format=format)
    assert refused.status_code == 422
    assert "format" in refused.json()["error"]["fields"]


def test_the_page_offers_what_is_there(
    alice: User, client_for: ClientFor, version: ModelVersion, settings: Any
) -> None:
    settings.GGUF_CONVERTER = ""
    page = client_for(alice).get(f"/models/{version.pk}/").content.decode()
    assert "Merged model (safetensors)" in page and "GGUF" not in page
    settings.GGUF_CONVERTER = "/opt/llama.cpp/convert_hf_to_gguf.py"
    assert "GGUF" in client_for(alice).get(f"/models/{version.pk}/").content.decode()
    client_for(alice).post(f"/models/{version.pk}/export/", {"format": "merged"})
    part = client_for(alice).get(
        f"/models/{version.pk}/?part=exports", headers={"HX-Request": "true"}
    )
    text = part.content.decode()
    assert "<html" not in text and 'hx-trigger="every 3s"' in text and "Queued" in text
    export = ModelExport.objects.get()
    client_for(alice).post(f"/models/exports/{export.pk}/stop/")
    client_for(alice).post(f"/models/exports/{export.pk}/delete/")
    assert not ModelExport.objects.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "full"}, "only LoRA and QLoRA"),
        ({"path": "/nowhere"}, "not here any more"),
        ({"base_model": None}, "another base model"),
    ],
)
def test_what_cannot_be_trained_further(
    alice: User, api: Api, version: ModelVersion, change: dict[str, Any], said: str
) -> None:
    job = version.job
    assert job is not None
    ModelVersion.objects.filter(pk=version.pk).update(
        **{name: value for name, value in change.items() if name != "method"}
    )
    refused = api(alice).post(
        "training/jobs",
        name="further",
        base_model=job.base_model_id,
        dataset=job.dataset_id,
        method=change.get("method", "lora"),
        start_version=version.pk,
    )
    assert refused.status_code == 422
    assert said in refused.json()["error"]["fields"]["start_version"][0]


def test_nobody_goes_on_from_a_strangers_version(
    bob: User, api: Api, version: ModelVersion
) -> None:
    job = make_job(bob, Status.SUCCESS)
    refused = api(bob).post(
        "training/jobs",
        name="x",
        base_model=job.base_model_id,
        dataset=job.dataset_id,
        start_version=version.pk,
    )
    assert list(refused.json()["error"]["fields"]) == ["start_version"]


def test_the_form_begins_where_the_version_ended(
    alice: User, client_for: ClientFor, version: ModelVersion
) -> None:
    page = client_for(alice).get(f"/training/new/?version={version.pk}").content.decode()
    assert f'<option value="{version.pk}" selected>identity v1</option>' in page


# --- Real ones -----------------------------------------------------------------------------------


@pytest.mark.training
@pytest.mark.xdist_group("training")
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored")
def test_a_version_is_merged_converted_and_taken_further(
    train: MakeJob,
    alice: User,
    dataset: Dataset,
    tiny_model: Path,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    succeed(train("first", lora_dropout=0.0, learning_rate=0.01))
    version = ModelVersion.objects.get()
    merged = exports.start_export(version=version, format="merged", actor=alice)
    until(merged, is_in("success", "failed"))
    assert merged.state == "success", merged.detail
    folder = Path(merged.path)
    assert merged.size_bytes == sum(file.stat().st_size for file in folder.iterdir())
    before, after = (
        load_file(tiny_model / "model.safetensors"),
        load_file(folder / "model.safetensors"),
    )
    assert before.keys() == after.keys()
    assert any((before[name] != after[name]).any() for name in before)
    assert "FROM ." in (folder / "Modelfile").read_text()

    # A stand-in for the converter of llama.cpp, called as that one is.
    converter = tmp_path / "convert_hf_to_gguf.py"
    converter.write_text(
        "import pathlib, sys\n"
        "source, option, target = sys.argv[1:]\n"
        "assert option == '--outfile' and (pathlib.Path(source) / 'config.json').is_file()\n"
        "pathlib.Path(target).write_bytes(b'GGUF')\n"
    )
    converter.chmod(converter.stat().st_mode | stat.S_IXUSR)
    settings.GGUF_CONVERTER = str(converter)
    monkeypatch.setenv("GGUF_CONVERTER", str(converter))
    gguf = exports.start_export(version=version, format="gguf", actor=alice)
    job = services.create_job(
        owner=alice,
        name="second",
        base_model=version.base_model,
        dataset=dataset,
        parameters=PARAMETERS | {"lora_dropout": 0.0, "num_train_epochs": 1},
        start_version=version,
    )
    succeed(job)
    until(gguf, is_in("success", "failed"))
    assert gguf.state == "success", gguf.detail
    assert (Path(gguf.path) / "first-v1.gguf").read_bytes() == b"GGUF"
    assert "FROM ./first-v1.gguf" in (Path(gguf.path) / "Modelfile").read_text()

    # It began where the first one ended: the first batch is the same one.
    losses = {
        name: list(
            Metric.objects.filter(workload__name=name, values__has_key="loss")
            .order_by("step")
            .values_list("values__loss", flat=True)
        )
        for name in ("first", "second")
    }
    assert losses["second"][0] < losses["first"][0] - 0.1
    later = ModelVersion.objects.get(job=job)
    assert later.parent == version and later.is_adapter
    config = json.loads((Path(later.path) / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(tiny_model)
    base = exports.register_as_base(export=merged, name="", actor=alice)
    assert BaseModel.objects.get(pk=base.pk).source_version == version
    assert base.is_ready and base.parameters
    client = Client()
    client.force_login(alice)
    answer = client.get(f"/models/exports/{merged.pk}/download/")
    names = zipfile.ZipFile(BytesIO(b"".join(answer.streaming_content))).namelist()
    assert "first-v1/model.safetensors" in names and "first-v1/Modelfile" in names
