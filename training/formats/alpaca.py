"""Instruction records: `instruction`, `input`, and an answer; `system` and `history` if wanted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from training.formats.fields import (
    filled_text,
    flag_of,
    list_of,
    optional_text,
    refuse_media,
    text_of,
)
from training.formats.layouts import Answer, Record, Turn, is_tagged, tag_turn
from training.formats.pictures import images_of
from training.formats.problems import Problem

COLUMNS = {"prompt": "instruction", "query": "input", "system": "system"}
ANSWERS = {
    Answer.SINGLE: {"response": "output"},
    Answer.PAIR: {"chosen": "chosen", "rejected": "rejected"},
    Answer.TAGGED: {"response": "output", "kto_tag": "kto_tag"},
}
EXPECTED = {
    Answer.SINGLE: "instruction, output",
    Answer.PAIR: "instruction, chosen, rejected",
    Answer.TAGGED: "instruction, output, kto_tag",
}


@dataclass(frozen=True)
class Alpaca:
    format: str
    answer: Answer

    @property
    def expected(self) -> str:
        return EXPECTED[self.answer]

    @property
    def used(self) -> frozenset[str]:
        answers = {*ANSWERS[self.answer].values()}
        extra = {"history", "images"} | ({"label"} if self.answer is Answer.TAGGED else set())
        return frozenset({*COLUMNS.values(), *answers, *extra})

    def fits(self, record: Record) -> bool:
        if self.answer is Answer.PAIR:
            return {"instruction", "chosen", "rejected"} <= record.keys()
        has_pair = {"instruction", "output"} <= record.keys()
        return has_pair and (self.answer is Answer.SINGLE or is_tagged(record))

    def clean(self, record: Record) -> dict[str, Any]:
        refuse_media(record)
        cleaned: dict[str, Any] = {
            "instruction": text_of(record, "instruction"),
            "input": optional_text(record, "input"),
        }
        if not (cleaned["instruction"].strip() or cleaned["input"].strip()):
            raise Problem("empty", field="instruction")
        cleaned |= self._answers(record)
        cleaned["system"] = optional_text(record, "system")
        history = _history(record)
        if history:
            cleaned["history"] = history
        if images := images_of(record):
            cleaned["images"] = images
        return cleaned

    def _answers(self, record: Record) -> dict[str, Any]:
        if self.answer is Answer.PAIR:
            return {name: filled_text(record, name) for name in ("chosen", "rejected")}
        answers: dict[str, Any] = {"output": filled_text(record, "output")}
        if self.answer is Answer.TAGGED:
            answers["kto_tag"] = flag_of(record, "kto_tag", "label")
        return answers

    def entry(self, *, has_history: bool, has_images: bool = False) -> dict[str, Any]:
        columns = COLUMNS | ANSWERS[self.answer]
        if has_history:
            columns = columns | {"history": "history"}
        if has_images:
            columns = columns | {"images": "images"}
        ranking = {"ranking": True} if self.answer is Answer.PAIR else {}
        return {"formatting": "alpaca", **ranking, "columns": columns}

    def turns(self, record: Record) -> Iterator[Turn]:
        if record["system"]:
            yield Turn("system", record["system"])
        for question, answer in record.get("history", ()):
            yield Turn("user", question)
            yield Turn("assistant", answer)
        parts = (record["instruction"], record["input"])
        yield Turn("user", "\n".join(part for part in parts if part))
        if self.answer is Answer.PAIR:
            yield Turn("chosen", record["chosen"])
            yield Turn("rejected", record["rejected"])
        elif self.answer is Answer.TAGGED:
            yield tag_turn(record, record["output"])
        else:
            yield Turn("assistant", record["output"])


def _history(record: Record) -> list[list[str]]:
    """Earlier rounds as `[question, answer]` pairs."""
    if record.get("history") is None:
        return []
    rounds = []
    for number, pair in enumerate(list_of(record, "history"), start=1):
        if not isinstance(pair, list) or len(pair) != 2:
            raise Problem("history_invalid", turn=number)
        texts = dict(zip(("question", "answer"), pair, strict=True))
        shown = f"history[{number}]"
        rounds.append([filled_text(texts, name, shown) for name in texts])
    return rounds
