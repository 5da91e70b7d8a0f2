"""What the files of a model folder tell, without loading it."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER_MAX_BYTES = 100 * 1024**2


def size_of(folder: Path) -> int:
    """Bytes of the files a model consists of; checkpoints below it don't count."""
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())


def tensor_shapes(file: Path) -> dict[str, list[int]]:
    """Names and shapes in the header of a .safetensors file. Raises ValueError.

    Format: 8 bytes little-endian length, then that much JSON.
    """
    with file.open("rb") as opened:
        start = opened.read(8)
        if len(start) < 8 or (length := struct.unpack("<Q", start)[0]) > HEADER_MAX_BYTES:
            raise ValueError(f"{file.name} is not a safetensors file")
        header = json.loads(opened.read(length))
    return {name: row["shape"] for name, row in header.items() if name != "__metadata__"}


def count_parameters(folder: Path) -> int | None:
    """None where there are no safetensors."""
    files = list(folder.glob("*.safetensors"))
    if not files:
        return None
    shapes = [shape for file in files for shape in tensor_shapes(file).values()]
    return sum(math.prod(shape) for shape in shapes)


def context_tokens_of(config: Mapping[str, Any]) -> int | None:
    value = config.get("max_position_embeddings") or config.get("n_positions")
    return value if isinstance(value, int) else None


def holds_code(config: Any) -> bool:
    """Whether a config asks for code of its own to be run, at any depth."""
    if isinstance(config, Mapping):
        return any(
            key in ("auto_map", "trust_remote_code") or holds_code(value)
            for key, value in config.items()
        )
    return isinstance(config, list) and any(holds_code(item) for item in config)
