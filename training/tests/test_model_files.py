"""Folders that are no models, or that would run code: each refusal names the file."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from training.models import BaseModel
from training.runner.model_files import Refused as Refusal
from training.runner.model_files import check_names, is_fetched, is_safe_name
from training.weights import context_tokens_of, licence_of

Api = Callable[[User], Any]
CONFIG = {"architectures": ["Qwen3ForCausalLM"], "max_position_embeddings": 2048}


def write_weights(file: Path, tensors: dict[str, list[int]] | None = None, cut: int = 0) -> None:
    """Zeros in float32."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in (tensors or {"a": [2, 3], "b": [4]}).items():
        size = 4
        for length in shape:
            size *= length
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(end)
    file.write_bytes(data[: len(data) - cut])


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    settings.BASE_MODEL_ROOTS = [folder]
    return folder


@pytest.fixture
def model(root: Path) -> Path:
    folder = root / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    write_weights(folder / "model.safetensors")
    return folder


def register(client: Any, name: str, path: object) -> Any:
    return client._send("post", "training/base-models", {"name": name, "path": str(path)})


def test_a_folder_is_ready_at_once_with_what_its_files_say(
    alice: User, api: Api, model: Path
) -> None:
    made = register(api(alice), "tiny", str(model))
    assert made.status_code == 201, made.json()
    found = made.json()
    assert found["is_ready"] and found["download"] is None
    assert (found["parameters"], found["context_tokens"]) == (10, 2048)
    assert (found["architecture"], found["licence"]) == ("Qwen3ForCausalLM", "apache-2.0")
    assert found["size_bytes"] == sum(file.stat().st_size for file in model.iterdir())


def test_a_link_is_resolved_before_it_is_judged(
    alice: User, api: Api, model: Path, root: Path, tmp_path: Path
) -> None:
    (root / "inside").symlink_to(model)
    made = register(api(alice), "tiny", str(root / "inside"))
    assert made.json()["path"] == str(model)
    outside = tmp_path / "outside"
    model.rename(outside)
    (root / "escape").symlink_to(outside)
    for path in (root / "escape", root / ".." / "outside", outside, Path(f"{root}_evil")):
        refused = register(api(alice), "x", str(path))
        assert refused.status_code == 422, path
        assert "these folders only" in refused.json()["error"]["fields"]["path"][0]


def _code(config: dict[str, Any]) -> Callable[[Path], object]:
    return lambda folder: (folder / "config.json").write_text(json.dumps(CONFIG | config))


def _index(names: dict[str, str]) -> Callable[[Path], object]:
    text = json.dumps({"weight_map": names})
    return lambda folder: (folder / "model.safetensors.index.json").write_text(text)


def _text(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


HOSTILE: list[tuple[str, Callable[[Path], object], str]] = [
    ("auto_map", _code({"auto_map": {"AutoModel": "evil.Model"}}), "config.json"),
    ("deep", _code({"text_config": [{"trust_remote_code": True}]}), "config.json"),
    ("script", _text("modeling_tiny.py", "raise SystemExit"), "modeling_tiny.py"),
    ("bin", _text("pytorch_model.bin", ""), "pytorch_model.bin"),
    ("value head", _text("value_head.bin", ""), "value_head.bin"),
    ("training arguments", _text("training_args.bin", ""), "training_args.bin"),
    ("pickle", _text("a.pkl", ""), "a.pkl"),
    ("torch", _text("a.pt", ""), "a.pt"),
    (
        "tokenizer's code",
        _text("tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["a.B", null]}}'),
        "tokenizer_config.json",
    ),
    ("no config", lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
    ("no object", _text("config.json", "[]"), "config.json"),
    ("no JSON", _text("config.json", "{'a': 1}"), "config.json"),
    ("too deep", _text("config.json", "[" * 100_000), "config.json"),
    ("no weights", lambda folder: (folder / "model.safetensors").unlink(), "no such weights"),
    ("cut", lambda folder: write_weights(folder / "model.safetensors", cut=1), "damaged"),
    ("empty", _text("model.safetensors", ""), "damaged"),
    (
        "pointer",
        _text("model.safetensors", "version https://git-lfs.github.com/spec/v1"),
        "damaged",
    ),
    (
        "shard",
        _index({"a": "model.safetensors", "c": "model-2.safetensors"}),
        "model-2.safetensors",
    ),
    ("broken index", _index([]), "index.json"),  # type: ignore[arg-type]
    ("dangling", lambda folder: (folder / "vocab.json").symlink_to("/nowhere"), "vocab.json"),
    ("leak", lambda folder: (folder / "vocab.json").symlink_to("/etc/passwd"), "vocab.json"),
]


@pytest.mark.parametrize(
    ("spoil", "named"), [row[1:] for row in HOSTILE], ids=[r[0] for r in HOSTILE]
)
def test_a_hostile_folder_is_refused_with_the_reason(
    alice: User, api: Api, model: Path, spoil: Callable[[Path], object], named: str
) -> None:
    spoil(model)
    refused = register(api(alice), "x", str(model))
    assert refused.status_code == 422
    assert named in refused.json()["error"]["fields"]["path"][0]
    assert not BaseModel.objects.exists()


@pytest.mark.parametrize(
    "path", ["/" + "x" * 3000, "~nobody-here/x", "", "relative", "/proc/1/root"]
)
def test_an_odd_path_is_no_error_of_ours(alice: User, api: Api, root: Path, path: str) -> None:
    refused = register(api(alice), "x", path)
    assert refused.status_code == 422
    assert "path" in refused.json()["error"]["fields"]


def test_links_of_a_hub_cache_stay_inside(alice: User, api: Api, model: Path, root: Path) -> None:
    """As huggingface_hub keeps a snapshot: links to blobs beside it."""
    blob = root / "blobs" / "1234"
    blob.parent.mkdir()
    (model / "model.safetensors").rename(blob)
    (model / "model.safetensors").symlink_to(os.path.relpath(blob, model))
    assert register(api(alice), "x", str(model)).status_code == 201


@pytest.mark.parametrize(
    "name",
    ["../a.json", "/etc/a.json", "a/../b.json", "a\\b.json", ".git/a.json", "C:a.json", "a\0.json"],
)
def test_a_hub_cannot_name_a_file_elsewhere(name: str) -> None:
    assert not is_safe_name(name)
    assert not is_fetched(name)


def test_what_is_fetched_of_a_repository() -> None:
    wanted = ["config.json", "model-00001-of-00002.safetensors", "tokenizer.model", "LICENSE"]
    wanted += ["merges.txt", "chat_template.jinja", "1_Pooling/config.json", "LICENSE.txt"]
    unwanted = [
        "pytorch_model.bin",
        "original/consolidated.safetensors",
        "consolidated.safetensors",
    ]
    unwanted += ["model.gguf", "figures/a.png", "training_args.bin", "onnx/model.onnx"]
    assert [name for name in wanted + unwanted if is_fetched(name)] == wanted


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["config.json", "model.safetensors", "modeling.py"], "code"),
        (["config.json", "pytorch_model.bin"], "pickle"),
        (["config.json", "README.md"], "no_weights"),
        (["adapter_model.safetensors", "adapter_config.json"], "no_config"),
        (["config.json", "sub/model.safetensors"], "no_weights"),
    ],
)
def test_a_repository_is_refused_before_its_weights_are_fetched(
    names: list[str], code: str
) -> None:
    with pytest.raises(Refusal) as refused:
        check_names(names)
    assert refused.value.code == code
    check_names(["config.json", "model.safetensors", "pytorch_model.bin"])


@pytest.mark.parametrize(
    ("name", "text", "licence"),
    [
        ("README.md", "---\nlicense: mit\n---\n", "mit"),
        ("README.md", "---\nlicense: other\nlicense_name: qwen\n---\n", "qwen"),
        ("README.md", "---\nlicense: [a, b]\n---\n", ""),
        ("README.md", "---\n: : :\n---\n", ""),
        (
            "LICENSE",
            "                   Apache License\n      Version 2.0, January 2004",
            "apache-2.0",
        ),
        ("LICENSE.txt", "Our own words", "LICENSE.txt"),
    ],
)
def test_the_licence(tmp_path: Path, name: str, text: str, licence: str) -> None:
    (tmp_path / name).write_text(text)
    assert licence_of(tmp_path) == licence


def test_the_context_of_models_that_also_see() -> None:
    assert context_tokens_of({"text_config": {"max_position_embeddings": 4096}}) == 4096
    assert context_tokens_of({"n_positions": 1024}) == 1024
    assert context_tokens_of({"max_position_embeddings": "many"}) is None
