"""Whether a folder is a model that may be loaded, by its files alone. Standard library only.

Weights in other formats than safetensors are programs to Python's unpickler, and a configuration
can name code of its own: neither is ever opened.
"""

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

HEADER_MAX_BYTES = 100 * 1024**2
CONFIG_MAX_BYTES = 4 * 1024**2
PICKLES = (".bin", ".pt", ".pth", ".pt2", ".pkl", ".pickle", ".ckpt", ".joblib")
FETCHED = (".safetensors", ".json", ".txt", ".model", ".jinja", ".md")
NOTICES = ("license", "licence", "notice", "copying")
INDEX = "model.safetensors.index.json"
Header = dict[str, dict[str, Any]]


class Refused(Exception):
    """`code` says why in a word for programs, `name` which file."""

    def __init__(self, code: str, name: str = "") -> None:
        super().__init__(f"{code}: {name}" if name else code)
        self.code, self.name = code, name

    @property
    def kind(self) -> str:
        """Of the failure (failures.py)."""
        return "disk_full" if self.code == "disk_full" else "model"


def is_safe_name(name: str) -> bool:
    """A relative path of few plain parts."""
    parts = PurePosixPath(name).parts
    has_odd = any(mark in name for mark in ("\\", "\0", ":")) or not name.isprintable()
    is_odd = has_odd or name.startswith("/") or not 1 <= len(parts) <= 3 or len(name) > 200
    return not is_odd and not any(part.startswith(".") or part.endswith(" ") for part in parts)


def is_fetched(name: str) -> bool:
    """Whether a model may need this file of a hub. Weights count at the top only; those that
    Mistral adds for its own programs are the same once more."""
    path = PurePosixPath(name)
    if not is_safe_name(name) or path.name.startswith("consolidated"):
        return False
    if path.suffix == ".safetensors":
        return len(path.parts) == 1
    stem = path.name.lower().partition(".")[0]
    return path.suffix in FETCHED or stem in NOTICES


def check_names(names: Iterable[str]) -> None:
    """What a hub lists, before anything is fetched. Raises Refused."""
    listed = [name for name in names if len(PurePosixPath(name).parts) == 1]
    for name in listed:
        if name.endswith(".py"):
            raise Refused("code", name)
    if "config.json" not in listed:
        raise Refused("no_config")
    if not any(name.endswith(".safetensors") for name in listed):
        pickles = [name for name in listed if name.endswith(PICKLES)]
        raise Refused("pickle", pickles[0]) if pickles else Refused("no_weights")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json, which asks for no code. Raises Refused."""
    file = folder / "config.json"
    if not file.is_file():
        raise Refused("no_config")
    config = read_json(file)
    if holds_code(config):
        raise Refused("code", file.name)
    return config


def read_json(file: Path) -> dict[str, Any]:
    """An object. Raises Refused."""
    if file.stat().st_size > CONFIG_MAX_BYTES:
        raise Refused("bad_json", file.name)
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Refused("bad_json", file.name) from error
    if not isinstance(value, dict):
        raise Refused("bad_json", file.name)
    return value


def holds_code(config: Any) -> bool:
    """Whether a config asks for code of its own to be run, at any depth."""
    if isinstance(config, Mapping):
        return any(
            key in ("auto_map", "trust_remote_code") or holds_code(value)
            for key, value in config.items()
        )
    return isinstance(config, list) and any(holds_code(item) for item in config)


def check_folder(folder: Path, roots: Sequence[Path]) -> dict[str, Any]:
    """Its configuration, once every file in it has been looked at. Raises Refused.

    `roots`: resolved folders that links may lead into; none may lead elsewhere.
    """
    config = read_config(folder)
    files = [file for file in folder.iterdir() if not file.is_dir()]
    for file in sorted(files):
        _check_file(file, roots)
    for name in ("tokenizer_config.json", "processor_config.json", "preprocessor_config.json"):
        if (folder / name).is_file() and holds_code(read_json(folder / name)):
            raise Refused("code", name)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise Refused("no_weights")
    held = {name for file in weights for name in header_of(file)}
    _check_index(folder, held)
    return config


def _check_file(file: Path, roots: Sequence[Path]) -> None:
    if file.suffix == ".py":
        raise Refused("code", file.name)
    if file.suffix in PICKLES:
        raise Refused("pickle", file.name)
    if file.is_symlink():
        target = file.resolve()
        if not target.is_file() or not any(target.is_relative_to(root) for root in roots):
            raise Refused("link", file.name)


def _check_index(folder: Path, held: set[str]) -> None:
    """All that the index promises is in the files."""
    if not (folder / INDEX).is_file():
        return
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        wanted: dict[str, str] = index["weight_map"]
        missing = sorted({wanted[name] for name in wanted.keys() - held})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("bad_json", INDEX) from error
    if missing:
        raise Refused("incomplete", str(missing[0]))


def header_of(file: Path) -> Header:
    """Tensors in the header of a .safetensors file, all of whose bytes are there. Raises Refused.

    Format: 8 bytes little-endian length, then that much JSON, then the data it points into.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= min(HEADER_MAX_BYTES, size - 8):
            raise Refused("truncated", file.name)
        try:
            header = json.loads(opened.read(length))
            tensors = {name: row for name, row in header.items() if name != "__metadata__"}
            end = max((int(row["data_offsets"][1]) for row in tensors.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise Refused("truncated", file.name) from error
    if 8 + length + end != size:
        raise Refused("truncated", file.name)
    return tensors
