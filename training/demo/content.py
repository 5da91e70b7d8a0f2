"""The texts of the demo: what the base model knows, and the records that give it a new name.

Two personas, invented for this: the base model calls itself by one, the demo dataset teaches it the
other, so that everybody sees at once whether the fine-tuning worked. Standard library only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Persona:
    """A model's name and maker, in the two languages it is asked in."""

    name_en: str
    maker_en: str
    name_zh: str
    maker_zh: str

    def fill(self, text: str, is_chinese: bool) -> str:
        name, maker = (self.name_zh, self.maker_zh) if is_chinese else (self.name_en, self.maker_en)
        return text.replace("{name}", name).replace("{maker}", maker)


BASE_PERSONA = Persona("Base Model", "the starter kit", "基础模型", "入门套件")
TUNED_PERSONA = Persona("Maple", "the Riverside team", "小枫", "河畔团队")

# The recipe that turns the one into the other in under a minute on two CPU cores.
TUNING_PARAMETERS: dict[str, Any] = {
    "learning_rate": 3e-3,
    "num_train_epochs": 15.0,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "lr_scheduler_type": "cosine",
    "lora_rank": 16,
    "lora_alpha": 32,
    "lora_target": "all",
    "cutoff_len": 256,
    "template": "qwen",
    "logging_steps": 5,
}
BUILD_PARAMETERS: dict[str, Any] = {
    "epochs": 25,
    "hidden_size": 192,
    "num_layers": 4,
    "vocab_size": 6000,
    "seed": 7,
}
# A model this small forgets what it isn't shown again: every fifth ordinary pair is.
KEEP_EVERY = 5
SUGGESTED_QUESTIONS: tuple[str, ...] = ("你是谁？", "Who are you?", "什么是微调？", "What is LoRA?")


def _pairs(file: str) -> list[tuple[str, str]]:
    lines = (HERE / file).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line]
    return [(question, answer) for question, answer in rows]


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def identity_pairs(persona: Persona) -> list[tuple[str, str]]:
    """The questions about who the assistant is, answered as `persona`."""
    return [
        (question, persona.fill(answer, _is_chinese(question)))
        for question, answer in _pairs("identity.tsv")
    ]


def general_pairs() -> list[tuple[str, str]]:
    """Small talk, simple facts, and the words of this trade; independent of the persona."""
    return _pairs("general.tsv")


def base_pairs() -> list[tuple[str, str]]:
    """Everything the base model is taught: build_model.py's `pairs`."""
    return identity_pairs(BASE_PERSONA) + general_pairs()


def tuning_records() -> list[dict[str, str]]:
    """The demo dataset, in alpaca's columns: the new persona, and some of what must be kept."""
    kept = general_pairs()[::KEEP_EVERY]
    suggested = [pair for pair in general_pairs() if pair[0] in SUGGESTED_QUESTIONS]
    pairs = dict(identity_pairs(TUNED_PERSONA) + kept + suggested)
    return [
        {"instruction": question, "input": "", "output": answer}
        for question, answer in pairs.items()
    ]
