import json
from pathlib import Path

import pytest

from training.chat_templates import TEMPLATES
from training.models import BaseModel
from training.template_detection import MARKS, NAMES, detected_template


@pytest.mark.parametrize(
    ("kind", "text", "template"),
    [
        ("qwen3", "<|im_start|>{% if enable_thinking %}", "qwen3"),
        ("qwen3", "<|im_start|>", "qwen3_nothink"),
        ("qwen2", "<|im_start|>", "qwen"),
        ("llama", "<|start_header_id|>", "llama3"),
        ("llama", "[INST]", "llama2"),
        ("mistral", "[INST]", "mistral"),
        ("gemma3_text", "<start_of_turn>", "gemma3"),
        ("glm4", "[gMASK]<sop>", "glm4"),
        ("other", "<|im_start|>", ""),
        ("other", "plain", ""),
    ],
)
@pytest.mark.parametrize("place", ["chat_template.jinja", "tokenizer_config.json"])
def test_the_files_tell_it(tmp_path: Path, kind: str, text: str, template: str, place: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    told = text if place.endswith("jinja") else json.dumps({"chat_template": text})
    (tmp_path / place).write_text(told)
    assert detected_template(BaseModel(name="x", path=str(tmp_path))) == template


@pytest.mark.parametrize(
    ("hub_id", "template"),
    [
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen"),
        ("meta-llama/Llama-3.2-1B", "llama3"),
        ("deepseek-ai/DeepSeek-R1", "deepseekr1"),
        ("google/gemma-2-9b-it", "gemma2"),
        ("nobody/nothing", ""),
    ],
)
def test_the_name_tells_it(hub_id: str, template: str) -> None:
    assert detected_template(BaseModel(name="mine", hub_id=hub_id)) == template


def test_what_was_registered_wins() -> None:
    assert detected_template(BaseModel(hub_id="Qwen/Qwen3-8B", template="llama3")) == "llama3"


@pytest.mark.parametrize("content", ["[]", "{", "[" * 5000])
def test_broken_files_tell_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer_config.json").write_text(content)
    (tmp_path / "config.json").write_text(content)
    assert detected_template(BaseModel(name="x", path=str(tmp_path))) == ""


def test_the_trainer_has_every_template_that_can_be_told() -> None:
    told = {name for _mark, kinds in MARKS for name in kinds.values()}
    assert told | {template for _pattern, template in NAMES} <= TEMPLATES
