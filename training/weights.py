"""What the files of a model folder tell, without loading it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from training.runner.model_files import header_of

CARD_MAX_BYTES = 256 * 1024
# How the authors of models have called the longest text.
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "seq_length", "max_sequence_length")
# The first lines of a licence's text, and how it is called for short.
LICENCES = (
    (r"apache license\s+version 2\.0", "apache-2.0"),
    (r"\bmit license\b", "mit"),
    (r"gnu affero general public license", "agpl"),
    (r"gnu general public license", "gpl"),
    (r"llama [\d.]+ community license", "llama community"),
    (r"gemma terms of use", "gemma"),
    (r"tongyi qianwen.{0,40}license|qwen license", "qwen"),
)


def size_of(folder: Path) -> int:
    """Bytes of the files a model consists of; checkpoints below it don't count."""
    return sum(file.stat().st_size for file in folder.glob("*") if file.is_file())


def count_parameters(folder: Path) -> int | None:
    """None where there are no safetensors. Raises Refused where they are broken."""
    files = list(folder.glob("*.safetensors"))
    if not files:
        return None
    rows = [row for file in files for row in header_of(file).values()]
    return sum(int(math.prod(row["shape"])) for row in rows)


def context_tokens_of(config: Mapping[str, Any]) -> int | None:
    """The longest text; models that also see keep it with their part for texts."""
    parts = (config, config.get("text_config"), config.get("llm_config"))
    for part in parts:
        found = [part.get(name) for name in CONTEXT_NAMES] if isinstance(part, Mapping) else []
        for value in found:
            if isinstance(value, int) and 0 < value < 2**31:
                return value
    return None


def licence_of(folder: Path) -> str:
    """By the model card, else by the text of a licence; empty where neither tells."""
    card = folder / "README.md"
    text = _beginning(card) if card.is_file() else ""
    found = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
    if found:
        try:
            told = yaml.safe_load(found[1])
        except (yaml.YAMLError, ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            named = told.get("license_name") if told.get("license") == "other" else None
            value = named or told.get("license")
            if isinstance(value, str) and value.isprintable():
                return value[:100]
    return _licence_of_text(folder)


def _licence_of_text(folder: Path) -> str:
    for file in sorted(folder.glob("*")):
        if file.is_file() and file.name.lower().startswith(("license", "licence", "copying")):
            head = " ".join(_beginning(file)[:2000].lower().split())
            for pattern, name in LICENCES:
                if re.search(pattern, head):
                    return name
            return file.name[:100]
    return ""


def _beginning(file: Path) -> str:
    with file.open("rb") as opened:
        return opened.read(CARD_MAX_BYTES).decode("utf-8", "replace").replace("\r\n", "\n")
