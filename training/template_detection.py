"""Which chat template a base model was made with, told from its files, else from its name."""

import json
import re
from pathlib import Path
from typing import Any

from training.chat_templates import TEMPLATES
from training.models import BaseModel

READ_MAX_BYTES = 2 * 1024**2
# A mark in the model's own template -> the model's type -> LLaMA-Factory's name; "" for any type.
MARKS: tuple[tuple[str, dict[str, str]], ...] = (
    ("<|start_header_id|>", {"llama4": "llama4", "": "llama3"}),
    (
        "<start_of_turn>",
        {"gemma2": "gemma2", "gemma3": "gemma3", "gemma3_text": "gemma3", "": "gemma"},
    ),
    ("<｜User｜>", {"": "deepseek3"}),
    ("[gMASK]", {"glm4_moe": "glm4_moe", "": "glm4"}),
    ("<|start|>", {"gpt_oss": "gpt_oss"}),
    ("[INST]", {"llama": "llama2", "": "mistral"}),
    ("<|im_sep|>", {"": "phi4"}),
    ("<|end|>", {"phi3": "phi", "": "phi"}),
)
# The model's type alone, where it is one that sees.
SEEING_TYPES = {
    "gemma3n": "gemma3n",
    "glm4v": "glm4v",
    "internvl": "intern_vl",
    "kimi_vl": "kimi_vl",
    "lfm2_vl": "lfm2_vl",
    "llava": "llava",
    "llava_next": "llava_next",
    "minicpmv": "minicpm_v",
    "mllama": "mllama",
    "paligemma": "paligemma",
    "qwen2_vl": "qwen2_vl",
    "qwen2_5_vl": "qwen2_vl",
    "qwen3_vl": "qwen3_vl",
}
# Of ids and names, the more particular ones first.
NAMES: tuple[tuple[str, str], ...] = (
    (r"qwen3-?vl.*instruct", "qwen3_vl_nothink"),
    (r"qwen3-?vl", "qwen3_vl"),
    (r"qwen2(\.5)?-?vl", "qwen2_vl"),
    (r"llava-?(1\.6|v1\.6|next)", "llava_next"),
    (r"llava-?(1\.5|v1\.5)", "llava"),
    (r"llama-?3\.2.*vision", "mllama"),
    (r"internvl", "intern_vl"),
    (r"minicpm-?v", "minicpm_v"),
    (r"paligemma", "paligemma"),
    (r"pixtral", "pixtral"),
    (r"glm-?4.*v", "glm4v"),
    (r"kimi-?vl", "kimi_vl"),
    (r"qwen3\.?5", "qwen3_5"),
    (r"qwen3.*(instruct|nothink|coder)", "qwen3_nothink"),
    (r"qwen3", "qwen3"),
    (r"qwen|qwq", "qwen"),
    (r"deepseek.*r1", "deepseekr1"),
    (r"deepseek.*v?3", "deepseek3"),
    (r"llama-?4", "llama4"),
    (r"llama-?3", "llama3"),
    (r"llama-?2", "llama2"),
    (r"gemma-?3", "gemma3"),
    (r"gemma-?2", "gemma2"),
    (r"gemma", "gemma"),
    (r"glm-?4", "glm4"),
    (r"ministral", "ministral"),
    (r"mistral|mixtral", "mistral"),
    (r"phi-?4-mini", "phi4_mini"),
    (r"phi-?4", "phi4"),
    (r"phi-?3", "phi"),
    (r"gpt-oss", "gpt_oss"),
    (r"smollm2", "smollm2"),
    (r"smollm", "smollm"),
    (r"internlm2|internlm3", "intern2"),
    (r"yi-", "yi"),
)


def detected_template(base_model: BaseModel) -> str:
    """LLaMA-Factory's name of it; empty where it cannot be told and the model's own is used."""
    if base_model.template:
        return base_model.template
    found = _from_files(Path(base_model.path)) if base_model.path else ""
    found = found or _from_name(f"{base_model.hub_id} {base_model.name}".lower())
    return found if found in TEMPLATES else ""


def _from_name(name: str) -> str:
    return next((template for pattern, template in NAMES if re.search(pattern, name)), "")


def _from_files(folder: Path) -> str:
    text, config = _own_template(folder), _json(folder / "config.json")
    kind = str(config.get("model_type", "")).removesuffix("_text")
    if kind in SEEING_TYPES:
        return SEEING_TYPES[kind]
    if "<|im_start|>" in text:
        return _chatml(text, kind)
    for mark, by_kind in MARKS:
        if mark in text:
            return by_kind.get(kind) or by_kind.get("", "")
    return ""


def _chatml(text: str, kind: str) -> str:
    """Qwen's marks, which others share; what thinks has a switch for it."""
    if kind.startswith("qwen3"):
        return "qwen3" if "enable_thinking" in text else "qwen3_nothink"
    return "qwen" if kind.startswith("qwen") else ""


def _own_template(folder: Path) -> str:
    alone = _text(folder / "chat_template.jinja")
    if alone:
        return alone
    told = _json(folder / "tokenizer_config.json").get("chat_template", "")
    if isinstance(told, list):
        told = next((row.get("template", "") for row in told if isinstance(row, dict)), "")
    return told if isinstance(told, str) else ""


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(READ_MAX_BYTES)
    except (OSError, ValueError):
        return ""


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
