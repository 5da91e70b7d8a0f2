"""The sizes of a model that memory and time depend on, from its config.json or by proportion."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.models import BaseModel


@dataclass(frozen=True)
class Shape:
    """A decoder-only transformer. Sizes left at 0 follow from `hidden` as in common models."""

    parameters: int
    layers: int
    hidden: int
    vocabulary: int
    intermediate: int = 0
    attention: int = 0  # heads times their size
    key_value: int = 0
    heads: int = 1
    is_tied: bool = False

    def __post_init__(self) -> None:
        defaults = {"intermediate": round(self.hidden * 8 / 3), "attention": self.hidden}
        for name, value in (defaults | {"key_value": self.attention or self.hidden}).items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def embeddings(self) -> int:
        """Parameters that are no part of the layers."""
        tables = 1 if self.is_tied else 2
        return min(self.parameters, tables * self.vocabulary * self.hidden)

    @property
    def body(self) -> int:
        return self.parameters - self.embeddings

    @property
    def working_set(self) -> int:
        """Elements a token that one layer holds in the middle of its backward pass."""
        attention = 3 * self.attention + 3 * self.key_value
        return 9 * self.hidden + attention + 6 * self.intermediate

    def adapter_width(self, targets: str) -> int:
        """Inputs and outputs of the linear layers that get an adapter, over all layers."""
        sizes = {
            "q_proj": self.hidden + self.attention,
            "k_proj": self.hidden + self.key_value,
            "v_proj": self.hidden + self.key_value,
            "o_proj": self.attention + self.hidden,
            **dict.fromkeys(("gate_proj", "up_proj", "down_proj"), self.hidden + self.intermediate),
        }
        wanted = {name.strip().rpartition(".")[2] for name in targets.split(",")}
        chosen = [size for name, size in sizes.items() if name in wanted]
        return self.layers * sum(chosen or sizes.values())


def shape_of(base_model: BaseModel) -> Shape | None:
    """None where neither the number of parameters nor the size of the files is known."""
    parameters = base_model.parameters or _parameters_by_size(base_model)
    if not parameters:
        return None
    config = _config_of(base_model)
    # 12 L h² parameters with a depth of about h/128, as Llama and Qwen have it.
    hidden = _size(config, "hidden_size") or int((parameters * 128 / 12) ** (1 / 3))
    heads = _size(config, "num_attention_heads") or max(1, hidden // 128)
    head = _size(config, "head_dim") or hidden // heads
    return Shape(
        parameters=parameters,
        layers=_size(config, "num_hidden_layers") or max(1, round(hidden / 128)),
        hidden=hidden,
        vocabulary=_size(config, "vocab_size") or 150_000,
        intermediate=_size(config, "intermediate_size"),
        attention=heads * head,
        key_value=(_size(config, "num_key_value_heads") or heads) * head,
        heads=heads,
        is_tied=config.get("tie_word_embeddings") is True,
    )


def _size(config: Mapping[str, Any], name: str) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _parameters_by_size(base_model: BaseModel) -> int | None:
    return base_model.size_bytes // 2 if base_model.size_bytes else None


def _config_of(base_model: BaseModel) -> Mapping[str, Any]:
    if not base_model.path:
        return {}
    try:
        text = (Path(base_model.path) / "config.json").read_text(encoding="utf-8")
        config = json.loads(text)
    except (OSError, ValueError):
        return {}
    if not isinstance(config, dict):
        return {}
    inner = config.get("text_config")
    return config | inner if isinstance(inner, dict) else config
