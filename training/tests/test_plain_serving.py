"""Base models served as they are; an embedding model answers `/v1/embeddings` for real."""

import base64
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from conftest import ApiClient
from providers.models import ProviderModel
from training import plain_serving, registry
from training.errors import StateConflict
from training.models import BaseModel, Deployment, Engine, ModelVersion, Status
from training.shim import works
from training.shim.process import Runner
from training.shim.serving import Serving
from training.tests.conftest import wait_for

MAKE = """
import sys
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast
import torch
torch.manual_seed(3)
words = Tokenizer(models.WordPiece(unk_token="[UNK]"))
words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
words.train_from_iterator(["a cat and a dog", "the stock market fell"],
    trainers.WordPieceTrainer(special_tokens=special, vocab_size=120))
PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]",
    cls_token="[CLS]", sep_token="[SEP]").save_pretrained(sys.argv[1])
config = BertConfig(vocab_size=120, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=64)
BertModel(config).save_pretrained(sys.argv[1])
"""


def folder_with(path: Path, architecture: str) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    return path


@pytest.fixture
def chat_model(alice: User, tmp_path: Path) -> BaseModel:
    folder = folder_with(tmp_path / "chat", "Qwen3ForCausalLM")
    return BaseModel.objects.create(owner=alice, name="chat", path=str(folder))


def test_what_is_an_embedding_model(alice: User, tmp_path: Path, chat_model: BaseModel) -> None:
    assert not plain_serving.is_embedding(chat_model)
    bert = folder_with(tmp_path / "bert", "BertModel")
    assert plain_serving.is_embedding(BaseModel(path=str(bert)))
    (Path(chat_model.path) / "modules.json").write_text("[]")
    assert plain_serving.is_embedding(chat_model), "a decoder made to embed"
    assert not plain_serving.is_embedding(BaseModel(path=str(tmp_path / "nowhere")))


def test_a_base_model_becomes_a_version_once(alice: User, chat_model: BaseModel) -> None:
    first = plain_serving.deploy(base_model=chat_model, actor=alice)
    assert first.engine == Engine.HUGGINGFACE and first.version.path == chat_model.path
    with pytest.raises(StateConflict):
        plain_serving.deploy(base_model=chat_model, actor=alice)
    registry.undeploy(version=first.version, actor=alice)
    again = plain_serving.deploy(base_model=chat_model, actor=alice)
    assert again.version_id == first.version_id and ModelVersion.objects.count() == 1
    chat_model.is_ready = False
    with pytest.raises(ValidationError):
        plain_serving.deploy(base_model=chat_model, actor=alice)


def test_by_page_and_api(
    alice: User,
    bob: User,
    chat_model: BaseModel,
    client_for: Callable[[User], Client],
    api: Callable[[User], ApiClient],
) -> None:
    page = client_for(alice).get(f"/models/base/{chat_model.pk}/").content.decode()
    assert "Serve it as it is" in page
    answer = client_for(alice).post(f"/models/base/{chat_model.pk}/serve/")
    row = Deployment.objects.get()
    assert answer.headers["Location"] == f"/models/{row.version_id}/"
    path = f"training/base-models/{chat_model.pk}/deploy"
    assert api(alice).post(path).status_code == 409
    assert api(bob).post(path).status_code == 404
    Deployment.objects.update(status=Status.STOPPED)
    answer = api(alice).post(path, concurrency=3)
    assert answer.status_code == 202 and answer.json()["deployment"]["status"] == "starting"


@pytest.mark.training
@pytest.mark.xdist_group("training")
def test_an_embedding_model_answers(
    alice: User, tmp_path: Path, training_python: Path, settings: Any
) -> None:
    settings.TRAINING_ROOT = tmp_path / "training"
    folder = tmp_path / "vectors"
    subprocess.run([str(training_python), "-c", MAKE, str(folder)], check=True)
    base_model = BaseModel.objects.create(owner=alice, name="vectors", path=str(folder))
    row = plain_serving.deploy(base_model=base_model, actor=alice)
    Deployment.objects.filter(pk=row.pk).update(status=Status.RUNNING, attempt=1)
    row.refresh_from_db()
    work = works.work_of(row)
    assert isinstance(work, Serving)
    runner = Runner(row.folder / "attempt-1")
    command = works.write_spec(work, runner)
    runner.start(command, str(row.pk), work.environment())
    try:
        wait_for(lambda: (work._health() or {}).get("state") == "ready", 90)
        row.refresh_from_db()
        registry.publish(row)
        [model] = ProviderModel.objects.all()
        assert model.main_type == "embedding" and model.types == ["embedding"]
        _check_vectors(f"{row.endpoint}/v1/embeddings", row.key)
    finally:
        runner.kill()


def _check_vectors(url: str, key: str) -> None:
    def ask(**body: Any) -> httpx.Response:
        signed = {"Authorization": f"Bearer {key}"}
        return httpx.post(url, json=body, headers=signed, timeout=60, trust_env=False)

    told = ask(input=["a cat", "the stock market fell", "a cat"]).json()
    first, second, third = (row["embedding"] for row in told["data"])
    assert len(first) == 32 and sum(x * x for x in first) == pytest.approx(1, abs=1e-4)
    assert first == pytest.approx(third, abs=1e-5), "padding changes nothing"
    assert first != pytest.approx(second, abs=1e-2)
    assert told["usage"]["prompt_tokens"] > 0
    packed = ask(input="a cat", encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.unpack("<32f", base64.b64decode(packed)) == pytest.approx(first, abs=1e-5)
    assert ask(input=[]).status_code == 400
    too_long = ask(input="cat " * 100)
    assert too_long.status_code == 400 and "the model reads 64" in too_long.text
